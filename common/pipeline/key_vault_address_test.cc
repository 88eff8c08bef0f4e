#include "common/pipeline/key_vault_address.h"

#include <string>

#include "gtest/gtest.h"

namespace rally::pipeline {
namespace {

TEST(KeyVaultAddressTest, EveryForm) {
  const struct {
    std::string text;
    std::string vault;
    std::string name;
    std::string version;
  } cases[] = {
      {"ehotingerakv", "https://ehotingerakv.vault.azure.net", "", ""},
      {"Corp-Vault", "https://corp-vault.vault.azure.net", "", ""},
      {"abc", "https://abc.vault.azure.net", "", ""},
      {"abcdefghijklmnopqrstuvwx", "https://abcdefghijklmnopqrstuvwx.vault.azure.net", "", ""},
      {"https://a.b", "https://a.b", "", ""},
      {"https://A.B/", "https://a.b", "", ""},
      {"HTTPS://a.b:8443", "https://a.b:8443", "", ""},
      {"https://a.b/secrets/My-Name", "https://a.b", "My-Name", ""},
      {"https://a.b/secrets/n/", "https://a.b", "n", ""},
      {"https://a.b/secrets/n/0aF", "https://a.b", "n", "0aF"},
      {"https://a.b/secrets/n/0aF/", "https://a.b", "n", "0aF"},
  };
  for (const auto& c : cases) {
    const auto address = ParseKeyVaultAddress(c.text, "vault.azure.net");
    ASSERT_TRUE(address.ok()) << c.text << ": " << address.status();
    EXPECT_EQ(address->vault, c.vault) << c.text;
    EXPECT_EQ(address->name, c.name) << c.text;
    EXPECT_EQ(address->version, c.version) << c.text;
  }
  EXPECT_EQ(ParseKeyVaultAddress("abc", "vault.azure.cn")->vault, "https://abc.vault.azure.cn");
}

}  // namespace
}  // namespace rally::pipeline
