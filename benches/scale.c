/* What a store of a size costs: time to open, reads of uncached users, first uses, memory a cached user.
 *
 *   scale STORE USERS            prints a line of numbers: open, uncached (median), first use (median), in nanoseconds; bytes a
 *                                cached user */

#include <unistd.h>

#include "bench.h"
#include "keycask.h"

#define READS 2000UL
#define FIRST 50UL
#define CACHED 50000UL

static int compare(const void *a, const void *b) {
  unsigned long long x = *(const unsigned long long *)a, y = *(const unsigned long long *)b;
  return (x > y) - (x < y);
}

static long resident(void) {
  long pages = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  REQUIRE(file && fscanf(file, "%*d %ld", &pages) == 1);
  fclose(file);
  return pages * sysconf(_SC_PAGESIZE);
}

static void use(kc_store *store, const char *user) {
  char token[256];
  REQUIRE(kc_encrypt(store, user, KC_NUL_TERMINATED, "k", 1, NULL, token, sizeof token, NULL, NULL) == KC_OK);
}

int main(int argc, char **argv) {
  static const unsigned char master_key[KC_KEY_SIZE] = {1};
  static unsigned long long times[READS];
  REQUIRE(argc == 3);
  unsigned long users = strtoul(argv[2], NULL, 10);
  char user[64];
  kc_store *store;
  unsigned long long began = bench_now();
  REQUIRE(kc_open(argv[1], KC_NUL_TERMINATED, master_key, sizeof master_key, NULL, &store, NULL) == KC_OK);
  printf("%llu", bench_now() - began);
  unsigned long step = users / READS ? users / READS : 1, reads = users < READS ? users : READS;
  use(store, "user-1");
  for (unsigned long i = 0; i < reads; i++) {
    sprintf(user, "user-%lu", i * step % users + 2 > users ? 2 : i * step % users + 2);
    began = bench_now();
    use(store, user);
    times[i] = bench_now() - began;
  }
  qsort(times, reads, sizeof *times, compare);
  printf(" %llu", times[reads / 2]);
  for (unsigned long i = 0; i < FIRST; i++) {
    sprintf(user, "first-%llu", bench_now());
    began = bench_now();
    use(store, user);
    times[i] = bench_now() - began;
  }
  qsort(times, FIRST, sizeof *times, compare);
  printf(" %llu", times[FIRST / 2]);
  long before = resident();
  unsigned long cached = users > CACHED + READS ? CACHED : 0;
  for (unsigned long i = 0; i < cached; i++) {
    sprintf(user, "user-%lu", users - i);
    use(store, user);
  }
  printf(" %ld\n", cached ? (resident() - before) / (long)cached : 0L);
  return 0;
}
