// RegistrySource against a small server on loopback that answers as the test says. Blobs end up in
// containerd, so they are tested in containerd_images_test.

#include "agent/runtime/registry_source.h"

#include <httplib.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agent/runtime/image_manifest.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rally::runtime {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

constexpr char kManifest[] = R"({"schemaVersion":2})";

class LocalServer {
 public:
  explicit LocalServer(std::unique_ptr<httplib::Server> server = nullptr)
      : server_(server != nullptr ? std::move(server) : std::make_unique<httplib::Server>()) {
    port_ = server_->bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_->listen_after_bind(); });
  }
  ~LocalServer() {
    // Not before it listens, or it would never stop.
    while (!server_->is_running()) std::this_thread::yield();
    server_->stop();
    thread_.join();
  }
  httplib::Server& server() { return *server_; }
  std::string host() const { return absl::StrCat("127.0.0.1:", port_); }

 private:
  std::unique_ptr<httplib::Server> server_;
  int port_ = 0;
  std::thread thread_;
};

// Shows a certificate for 127.0.0.1 that nobody but itself has signed.
std::unique_ptr<httplib::Server> SelfSignedServer() {
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(X509_new(), X509_free);
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -60);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
  X509_NAME* name = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("127.0.0.1"), -1, -1, 0);
  X509_set_issuer_name(certificate.get(), name);
  X509_set_pubkey(certificate.get(), key.get());
  X509_sign(certificate.get(), key.get(), EVP_sha256());
  auto server = std::make_unique<httplib::SSLServer>(certificate.get(), key.get());
  return server->is_valid() ? std::move(server) : nullptr;
}

pipeline::ImageReference ReferenceAt(const std::string& host) {
  pipeline::ImageReference reference;
  reference.registry = host;
  reference.repository = "team/app";
  reference.tag = "1";
  return reference;
}

std::string BasicAuthorization(const std::string& user, const std::string& password) {
  return absl::StrCat("Basic ", absl::Base64Escape(absl::StrCat(user, ":", password)));
}

class RegistrySourceTest : public ::testing::Test {
 protected:
  absl::StatusOr<ManifestDocument> Resolve(CallLimits limits = {}) {
    RegistrySource source(ReferenceAt(local_.host()), options_);
    return source.ResolveTag(limits);
  }
  void Serve(const std::string& path, httplib::Server::Handler handler) {
    local_.server().Get(path, std::move(handler));
  }

  LocalServer local_;
  RegistryOptions options_;
};

TEST_F(RegistrySourceTest, ResolvesATagOverPlainHttpOnLoopback) {
  Serve("/v2/team/app/manifests/1", [](const httplib::Request& request,
                                       httplib::Response& response) {
    EXPECT_THAT(request.get_header_value("Accept"), HasSubstr("oci.image.index"));
    response.set_content(kManifest, "application/vnd.oci.image.manifest.v1+json; charset=utf-8");
  });
  const auto document = Resolve();
  ASSERT_EQ(document.status(), absl::OkStatus());
  EXPECT_EQ(document->bytes, kManifest);
  EXPECT_EQ(document->media_type, "application/vnd.oci.image.manifest.v1+json");
}

TEST_F(RegistrySourceTest, RemembersThatALoopbackRegistrySpeaksPlainHttpUntilItFails) {
  Serve("/v2/team/app/manifests/1", [](const httplib::Request&, httplib::Response& response) {
    response.set_content(kManifest, "application/vnd.oci.image.manifest.v1+json");
  });
  PlainRegistries plain;
  RegistrySource first(ReferenceAt(local_.host()), options_, &plain);
  ASSERT_EQ(first.ResolveTag({}).status(), absl::OkStatus());
  EXPECT_TRUE(plain.Contains(local_.host()));
  RegistrySource second(ReferenceAt(local_.host()), options_, &plain);
  EXPECT_EQ(second.ResolveTag({}).status(), absl::OkStatus());

  plain.Add("127.0.0.1:1");
  RegistrySource gone(ReferenceAt("127.0.0.1:1"), options_, &plain);
  EXPECT_EQ(gone.ResolveTag({}).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(plain.Contains("127.0.0.1:1"));
}

TEST_F(RegistrySourceTest, AnUnknownTagIsNotFound) {
  const absl::Status status = Resolve().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr(local_.host()));
  EXPECT_THAT(std::string(status.message()), HasSubstr("check the name"));
}

TEST_F(RegistrySourceTest, RefusesAManifestWithAnotherDigest) {
  const std::string digest = absl::StrCat("sha256:", std::string(64, 'a'));
  Serve(absl::StrCat("/v2/team/app/manifests/", digest),
        [](const httplib::Request&, httplib::Response& response) {
          response.set_content(kManifest, "x/y");
        });
  RegistrySource source(ReferenceAt(local_.host()), options_);
  EXPECT_EQ(source.ReadManifest(digest, {}).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(RegistrySourceTest, RefusesAManifestOtherThanAnnounced) {
  Serve("/v2/team/app/manifests/1", [](const httplib::Request&, httplib::Response& response) {
    response.set_header("Docker-Content-Digest", absl::StrCat("sha256:", std::string(64, 'b')));
    response.set_content(kManifest, "x/y");
  });
  EXPECT_EQ(Resolve().status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(RegistrySourceTest, RefusesAHugeManifest) {
  Serve("/v2/team/app/manifests/1", [](const httplib::Request&, httplib::Response& response) {
    response.set_content(std::string(5 << 20, ' '), "x/y");
  });
  EXPECT_EQ(Resolve().status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(RegistrySourceTest, GetsATokenWhereItIsTold) {
  options_.credentials[local_.host()] = {"user", "pa ss"};
  Serve("/token", [](const httplib::Request& request, httplib::Response& response) {
    EXPECT_EQ(request.get_param_value("service"), "the registry");
    EXPECT_EQ(request.get_param_value("scope"), "repository:team/app:pull");
    EXPECT_EQ(request.get_header_value("Authorization"), BasicAuthorization("user", "pa ss"));
    response.set_content(R"({"access_token":"secret-token"})", "application/json");
  });
  Serve("/v2/team/app/manifests/1", [this](const httplib::Request& request,
                                           httplib::Response& response) {
    if (request.get_header_value("Authorization") != "Bearer secret-token") {
      response.status = 401;
      response.set_header("WWW-Authenticate", absl::StrCat("Bearer realm=\"http://", local_.host(),
                                                           "/token\",service=\"the registry\",",
                                                           "scope=\"repository:team/app:pull\""));
      return;
    }
    response.set_content(kManifest, "x/y");
  });
  EXPECT_EQ(Resolve()->bytes, kManifest);
}

TEST_F(RegistrySourceTest, SendsBasicCredentialsWhenAsked) {
  Serve("/v2/team/app/manifests/1",
        [](const httplib::Request& request, httplib::Response& response) {
          if (request.get_header_value("Authorization") == BasicAuthorization("u", "p")) {
            response.set_content(kManifest, "x/y");
            return;
          }
          response.status = 401;
          response.set_header("WWW-Authenticate", "Basic realm=\"here\"");
        });
  const absl::Status without = Resolve().status();
  EXPECT_EQ(without.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(std::string(without.message()), HasSubstr("none is configured"));
  options_.credentials[local_.host()] = {"u", "p"};
  EXPECT_EQ(Resolve()->bytes, kManifest);
  options_.credentials[local_.host()] = {"u", "wrong"};
  EXPECT_EQ(Resolve().status().code(), absl::StatusCode::kPermissionDenied);
}

TEST_F(RegistrySourceTest, NeverSendsAuthorizationToAnotherHost) {
  LocalServer storage;
  bool asked = false;
  storage.server().Get("/blob", [&](const httplib::Request& request, httplib::Response& response) {
    asked = true;
    EXPECT_FALSE(request.has_header("Authorization"));
    response.set_content(kManifest, "x/y");
  });
  options_.credentials[local_.host()] = {"u", "p"};
  Serve("/v2/team/app/manifests/1",
        [&](const httplib::Request& request, httplib::Response& response) {
          if (!request.has_header("Authorization")) {
            response.status = 401;
            response.set_header("WWW-Authenticate", "Basic realm=\"here\"");
            return;
          }
          response.set_redirect(absl::StrCat("http://", storage.host(), "/blob"), 307);
        });
  EXPECT_EQ(Resolve()->bytes, kManifest);
  EXPECT_TRUE(asked);
}

TEST_F(RegistrySourceTest, TriesAgainWhenTheRegistryStumbles) {
  int calls = 0;
  Serve("/v2/team/app/manifests/1", [&](const httplib::Request&, httplib::Response& response) {
    if (++calls < 3) {
      response.status = 503;
    } else {
      response.set_content(kManifest, "x/y");
    }
  });
  EXPECT_EQ(Resolve()->bytes, kManifest);
  EXPECT_EQ(calls, 3);
}

TEST_F(RegistrySourceTest, AMirrorIsAskedFirstAndPassedOverWhenItLacksTheImage) {
  LocalServer mirror;
  int mirrored = 0;
  mirror.server().Get("/v2/team/app/manifests/1",
                      [&](const httplib::Request&, httplib::Response& response) {
                        if (++mirrored == 1) {
                          response.set_content("from the mirror", "x/y");
                        } else {
                          response.status = 404;
                        }
                      });
  Serve("/v2/team/app/manifests/1", [](const httplib::Request&, httplib::Response& response) {
    response.set_content("from the registry", "x/y");
  });
  options_.mirrors[local_.host()] = absl::StrCat("http://", mirror.host());
  EXPECT_EQ(Resolve()->bytes, "from the mirror");
  EXPECT_EQ(Resolve()->bytes, "from the registry");
  EXPECT_EQ(mirrored, 2);
}

TEST_F(RegistrySourceTest, EndsByItsLimits) {
  EXPECT_EQ(Resolve(absl::Now() - absl::Seconds(1)).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  Cancellation cancellation;
  Serve("/v2/team/app/manifests/1", [&](const httplib::Request&, httplib::Response& response) {
    cancellation.Cancel();
    response.status = 503;  // Worth another try, which must not happen.
  });
  EXPECT_EQ(Resolve({absl::InfiniteFuture(), &cancellation}).status().code(),
            absl::StatusCode::kCancelled);
}

TEST(RegistryUnreachableTest, IsUnavailableAndNamesTheHost) {
  std::string host;
  {
    LocalServer gone;
    host = gone.host();
  }
  RegistrySource source(ReferenceAt(host), RegistryOptions());
  const absl::Status status = source.ResolveTag({}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr(host));
}

TEST(RegistryCertificateTest, ThatIsNotAcceptedIsNamedAndNotWaitedFor) {
  std::unique_ptr<httplib::Server> server = SelfSignedServer();
  ASSERT_NE(server, nullptr);
  LocalServer local(std::move(server));
  RegistrySource source(ReferenceAt(local.host()), RegistryOptions());
  const absl::Status status = source.ResolveTag({}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr(local.host()), HasSubstr("certificate"),
                    HasSubstr("add the authority that signed it to the host's")));
}

TEST(RegistryCertificateTest, AMirrorWithSuchAOneIsPassedOver) {
  std::unique_ptr<httplib::Server> server = SelfSignedServer();
  ASSERT_NE(server, nullptr);
  LocalServer mirror(std::move(server));
  LocalServer registry;
  registry.server().Get(
      "/v2/team/app/manifests/1", [](const httplib::Request&, httplib::Response& response) {
        response.set_content(kManifest, "application/vnd.oci.image.manifest.v1+json");
      });
  RegistryOptions options;
  options.mirrors[registry.host()] = absl::StrCat("https://", mirror.host());
  RegistrySource source(ReferenceAt(registry.host()), options);
  EXPECT_EQ(source.ResolveTag({}).status(), absl::OkStatus());
}

TEST(ParseChallengeTest, ReadsParameters) {
  EXPECT_THAT(ParseChallenge(
                  R"(Bearer realm="https://a/t?x=1,2",service="s \"q\"", scope=repository:x:pull)"),
              UnorderedElementsAre(Pair("", "bearer"), Pair("realm", "https://a/t?x=1,2"),
                                   Pair("service", "s \"q\""), Pair("scope", "repository:x:pull")));
  EXPECT_THAT(ParseChallenge("Negotiate"), ElementsAre(Pair("", "negotiate")));
  EXPECT_THAT(ParseChallenge("Bearer realm=\"unclosed"),
              UnorderedElementsAre(Pair("", "bearer"), Pair("realm", "unclosed")));
}

}  // namespace
}  // namespace rally::runtime
