#ifndef RALLY_AGENT_RUNTIME_REGISTRY_OPTIONS_H_
#define RALLY_AGENT_RUNTIME_REGISTRY_OPTIONS_H_

#include <map>
#include <string>

namespace rally::runtime {

struct RegistryCredentials {
  std::string user;
  std::string password;
};

// What an operator says of registries; keyed by host as references name it ("docker.io").
struct RegistryOptions {
  std::map<std::string, RegistryCredentials> credentials;
  // Asked first: "https://mirror.example" (or http:// on loopback). The registry itself comes
  // after.
  std::map<std::string, std::string> mirrors;
};

}  // namespace rally::runtime

#endif  // RALLY_AGENT_RUNTIME_REGISTRY_OPTIONS_H_
