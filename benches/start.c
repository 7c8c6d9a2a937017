/* A fresh process: load the library, open the store, decrypt once.
 *
 *   start LIBRARY STORE TOKEN    prints the nanoseconds of loading, of all three, and the resident bytes then */

#include <dlfcn.h>
#include <unistd.h>

#include "bench.h"
#include "keycask.h"

int main(int argc, char **argv) {
  static const unsigned char master_key[KC_KEY_SIZE] = {1};
  unsigned char plaintext[256];
  size_t len;
  long pages = 0;
  kc_store *store;
  REQUIRE(argc == 4);
  unsigned long long began = bench_now();
  void *library = dlopen(argv[1], RTLD_NOW);
  REQUIRE(library);
  unsigned long long loaded = bench_now();
  __typeof__(&kc_open) open_store;
  __typeof__(&kc_decrypt) decrypt;
  *(void **)&open_store = dlsym(library, "kc_open");
  *(void **)&decrypt = dlsym(library, "kc_decrypt");
  REQUIRE(open_store && decrypt);
  REQUIRE(open_store(argv[2], KC_NUL_TERMINATED, master_key, sizeof master_key, NULL, &store, NULL) == KC_OK);
  REQUIRE(decrypt(store, "user-1", 6, argv[3], KC_NUL_TERMINATED, NULL, plaintext, sizeof plaintext, &len, NULL) == KC_OK);
  unsigned long long ended = bench_now();
  FILE *file = fopen("/proc/self/statm", "r");
  REQUIRE(file && fscanf(file, "%*d %ld", &pages) == 1);
  printf("%llu %llu %ld\n", loaded - began, ended - began, pages * sysconf(_SC_PAGESIZE));
  return 0;
}
