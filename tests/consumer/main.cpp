// The smallest C++ program that uses keycask.

#include <keycask.hpp>

int main() {
  keycask::store store(":memory:", keycask::master_keys("0123456789abcdefghijklmnopqrstuv", KC_KEY_SIZE));
  return store.decrypt("alice", store.encrypt("alice", "sk-alice-1234")).view() == "sk-alice-1234" ? 0 : 1;
}
