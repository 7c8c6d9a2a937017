// Keeps a secret of alice's in keys.db and reads it back; the master key is in API_KEY_MASTER_KEY.

#include <keycask.hpp>

#include <iostream>

int main() {
  try {
    keycask::store store("keys.db");
    const std::string token = store.encrypt("alice", "sk-alice-1234");
    const keycask::secret secret = store.decrypt("alice", token);
    std::cout << token << " opens to " << secret.size() << " bytes\n";
  } catch (const keycask::error &error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
