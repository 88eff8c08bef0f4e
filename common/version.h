#ifndef RALLY_COMMON_VERSION_H_
#define RALLY_COMMON_VERSION_H_

namespace rally {

// What the binaries call themselves. Agents and controllers compare protocols, not this.
inline constexpr char kVersion[] = "0.1.0";

}  // namespace rally

#endif  // RALLY_COMMON_VERSION_H_
