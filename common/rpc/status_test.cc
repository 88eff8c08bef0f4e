#include "common/rpc/status.h"

#include <gtest/gtest.h>

namespace rally::rpc {
namespace {

TEST(StatusTest, EveryCodeSurvivesTheRoundTripWithItsMessage) {
  for (int code = 0; code <= static_cast<int>(absl::StatusCode::kUnauthenticated); ++code) {
    const absl::Status status(static_cast<absl::StatusCode>(code), code == 0 ? "" : "why");
    const grpc::Status wire = ToGrpc(status);
    EXPECT_EQ(static_cast<int>(wire.error_code()), code);
    EXPECT_EQ(FromGrpc(wire), status);
  }
}

TEST(StatusTest, AnUnknownCodeBecomesUnknown) {
  EXPECT_EQ(FromGrpc(grpc::Status(static_cast<grpc::StatusCode>(77), "odd")),
            absl::UnknownError("odd"));
  EXPECT_EQ(ToGrpc(absl::Status(static_cast<absl::StatusCode>(77), "odd")).error_code(),
            grpc::StatusCode::UNKNOWN);
}

}  // namespace
}  // namespace rally::rpc
