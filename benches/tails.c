/* How long single calls take, with a million users whose popularity follows Zipf's law with exponent 0.99, the default cache, and a
 * writer that makes ten keys a second beside.
 *
 *   tails STORE USERS CALLS      prints one line a bucket: nanoseconds, number of calls (some 2 per cent apart) */

#include <math.h>
#include <stdint.h>

#include "bench.h"
#include "keycask.h"

#define BUCKETS 2000

static kc_store *store;
static volatile int over;
static unsigned long made;

/* A number from 0 to 1 by xorshift: the same sequence each time. */
static double uniform(void) {
  static uint64_t state = 88172645463325252ULL;
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (double)(state >> 11) / 9007199254740992.0;
}

/* Zipf ranks by rejection (W. Hormann, G. Derflinger, "Rejection-inversion", 1996), exponent not 1. */
static double exponent = 0.99;
static double area(double x) { return (pow(x, 1 - exponent) - 1) / (1 - exponent); }
static double inverse(double y) { return pow(1 + y * (1 - exponent), 1 / (1 - exponent)); }

static unsigned long zipf(unsigned long users) {
  static double low, high, shift;
  if (high == 0) {
    high = area((double)users + 0.5);
    low = area(1.5) - 1;
    shift = 2 - inverse(area(2.5) - pow(2, -exponent));
  }
  for (;;) {
    double y = high + uniform() * (low - high);
    double x = inverse(y);
    double rank = floor(x + 0.5);
    if (rank < 1) rank = 1;
    if (rank > (double)users) rank = (double)users;
    if (rank - x <= shift || y >= area(rank + 0.5) - pow(rank, -exponent)) return (unsigned long)rank;
  }
}

static void *write_beside(void *unused) {
  (void)unused;
  while (!over) {
    char user[64], token[256];
    int len = sprintf(user, "beside-%llu", bench_now());
    REQUIRE(kc_encrypt(store, user, (size_t)len, "k", 1, NULL, token, sizeof token, NULL, NULL) == KC_OK);
    made++;
    struct timespec pause = {0, 100000000};
    nanosleep(&pause, NULL);
  }
  return NULL;
}

int main(int argc, char **argv) {
  static const unsigned char master_key[KC_KEY_SIZE] = {1};
  static unsigned long counts[BUCKETS];
  static const char plaintext[51] = {'k'};
  REQUIRE(argc == 4);
  unsigned long users = strtoul(argv[2], NULL, 10), calls = strtoul(argv[3], NULL, 10);
  REQUIRE(kc_open(argv[1], KC_NUL_TERMINATED, master_key, sizeof master_key, NULL, &store, NULL) == KC_OK);
  pthread_t writer;
  unsigned long long clock = ~0ULL; /* What it takes to ask for the time. */
  for (int i = 0; i < 1000; i++) {
    unsigned long long began = bench_now(), took = bench_now() - began;
    if (took < clock) clock = took;
  }
  for (unsigned long at = 0; at < calls + calls / 4; at++) {
    /* The first fifth fills the cache. */
    if (at == calls / 4) REQUIRE(pthread_create(&writer, NULL, write_beside, NULL) == 0);
    char user[32], token[256];
    int len = sprintf(user, "user-%lu", zipf(users));
    unsigned long long began = bench_now();
    kc_status status = kc_encrypt(store, user, (size_t)len, plaintext, sizeof plaintext, NULL, token, sizeof token, NULL, NULL);
    unsigned long long took = bench_now() - began;
    took = took > clock ? took - clock : 0;
    REQUIRE(status == KC_OK);
    if (at < calls / 4) continue;
    size_t bucket = (size_t)(log((double)took + 1) / log(1.02));
    counts[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
  }
  over = 1;
  pthread_join(writer, NULL);
  for (size_t i = 0; i < BUCKETS; i++)
    if (counts[i]) printf("%.0f %lu\n", pow(1.02, (double)i + 0.5), counts[i]);
  kc_store_stats stats = KC_STORE_STATS_INIT;
  REQUIRE(kc_stats(store, &stats, NULL) == KC_OK);
  fprintf(stderr, "%lu keys made beside; %llu hits, %llu misses\n", made, (unsigned long long)stats.hits, (unsigned long long)stats.misses);
  return 0;
}
