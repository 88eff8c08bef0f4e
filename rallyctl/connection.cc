#include "rallyctl/connection.h"

#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "common/rpc/status.h"
#include "rallyctl/follow/backoff.h"
#include "rallyctl/render/text.h"

namespace rally::rallyctl {
namespace {

constexpr absl::Duration kCallDeadline = absl::Seconds(60);
// Nobody needs to be told of a shorter wait.
constexpr absl::Duration kSilentWait = absl::Milliseconds(300);
// For the question what is wrong with the connection.
constexpr absl::Duration kDiagnosisDeadline = absl::Seconds(2);

std::chrono::system_clock::time_point After(absl::Duration duration) {
  return std::chrono::system_clock::now() + absl::ToChronoMilliseconds(duration);
}

std::string UserName(uid_t user) {
  const passwd* entry = getpwuid(user);
  return entry != nullptr ? entry->pw_name : absl::StrCat(user);
}

// A socket that this user may not open: no waiting changes that.
absl::Status CheckSocket(const std::string& address) {
  absl::string_view path = address;
  if (!absl::ConsumePrefix(&path, "unix:")) return absl::OkStatus();
  const std::string file(path);
  if (faccessat(AT_FDCWD, file.c_str(), W_OK, AT_EACCESS) == 0 || errno != EACCES) {
    return absl::OkStatus();
  }
  struct stat st;
  const bool seen = stat(file.c_str(), &st) == 0;
  return absl::PermissionDeniedError(absl::StrCat(
      "cannot reach the controller at ", address, ": user ", UserName(geteuid()),
      " may not open that socket, which ",
      seen ? absl::StrCat("belongs to user ", UserName(st.st_uid)) : "is in another user's folder",
      "\nRun rallyctl as ", seen ? UserName(st.st_uid) : "that user",
      ", or name another controller with --server or RALLY_SERVER."));
}

}  // namespace

Connection::Connection(ServerSettings settings, std::shared_ptr<grpc::Channel> channel)
    : settings_(std::move(settings)),
      channel_(std::move(channel)),
      builds_(v1::BuildService::NewStub(channel_)) {}

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(const ServerSettings& settings) {
  rpc::Security security;
  security.tls = settings.tls;
  // Without certificates plaintext is meant, which Dial allows where nobody else can listen.
  const bool any_tls =
      !settings.tls.certificate.empty() || !settings.tls.key.empty() || !settings.tls.ca.empty();
  security.insecure = !any_tls && rpc::IsLocalAddress(settings.address);
  if (absl::Status status = CheckSocket(settings.address); !status.ok()) return status;
  auto channel = rpc::Dial(settings.address, security);
  if (!channel.ok()) return channel.status();
  (*channel)->GetState(/*try_to_connect=*/true);
  return std::unique_ptr<Connection>(new Connection(settings, *std::move(channel)));
}

blob::CasClient::Options Connection::StoreOptions() const {
  blob::CasClient::Options options;
  options.patience = settings_.patience;
  return options;
}

absl::Status Connection::Unreachable(absl::string_view why) const {
  // A controller that answers so speaks of something behind it, such as its blob store.
  if (channel_->GetState(/*try_to_connect=*/false) == GRPC_CHANNEL_READY) {
    return absl::UnavailableError(why);
  }
  // "failed to connect to all addresses; last error: UNKNOWN: ...: Connection refused"
  const size_t last = why.find("last error: ");
  if (last != absl::string_view::npos) why.remove_prefix(why.rfind(": ") + 2);
  return absl::UnavailableError(absl::StrCat(
      "cannot reach the controller at ", settings_.address, ": ", why,
      "\nIs rally-controller running there? --server or RALLY_SERVER names another one; "
      "`rallyctl run` needs none."));
}

absl::Status Connection::AwaitReady(const std::function<void(const std::string&)>& on_wait) {
  if (channel_->WaitForConnected(After(std::min(kSilentWait, settings_.patience)))) {
    return absl::OkStatus();
  }
  if (settings_.patience > kSilentWait) {
    on_wait(absl::StrCat("no answer from the controller at ", settings_.address,
                         " yet; trying for ", DurationText(settings_.patience)));
    if (channel_->WaitForConnected(After(settings_.patience - kSilentWait))) {
      return absl::OkStatus();
    }
  }
  // A channel doesn't tell why it can't connect; a call does.
  grpc::ClientContext context;
  context.set_deadline(After(kDiagnosisDeadline));
  v1::ListBuildsRequest request;
  request.set_limit(1);
  v1::ListBuildsResponse response;
  const grpc::Status status = builds_->ListBuilds(&context, request, &response);
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
    return Unreachable("it doesn't answer");
  }
  return status.ok() ? absl::OkStatus() : Unreachable(status.error_message());
}

absl::Status Connection::Call(absl::FunctionRef<grpc::Status(grpc::ClientContext*)> call) {
  const absl::Time give_up = absl::Now() + settings_.patience;
  Backoff backoff;
  while (true) {
    grpc::ClientContext context;
    context.set_deadline(After(kCallDeadline));
    const grpc::Status status = call(&context);
    if (status.error_code() != grpc::StatusCode::UNAVAILABLE) return rpc::FromGrpc(status);
    const absl::Duration pause = backoff.Next();
    if (absl::Now() + pause > give_up) return Unreachable(status.error_message());
    absl::SleepFor(pause);
  }
}

}  // namespace rally::rallyctl
