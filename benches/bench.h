/* What the C programs of the benches share: the line protocol, the clock, threads.
 *
 * A program reads lines `WORK SIZE THREADS COUNT` and answers each with the nanoseconds that COUNT such works took in each of THREADS
 * threads, or with `-` when it has no such work. So a driver can have several programs ready, and let them take turns. */

#ifndef BENCH_H
#define BENCH_H

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MOST_THREADS 16
#define MOST_SIZE ((size_t)1 << 20)

#define REQUIRE(what)                                                        \
  do {                                                                       \
    if (!(what)) {                                                           \
      fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what);     \
      exit(1);                                                               \
    }                                                                        \
  } while (0)

/* What a thread works with. */
struct hand {
  int number;                 /* of the thread, from 0 */
  size_t size;                /* of the plaintext, in bytes */
  size_t token_len;
  unsigned char *plaintext;   /* MOST_SIZE bytes */
  unsigned char *opened;      /* MOST_SIZE bytes */
  char *token;                /* room for MOST_SIZE bytes of plaintext as a token */
  unsigned char *scratch;     /* likewise */
  void *own;                  /* the program's */
};

struct work {
  const char *name;
  void (*prepare)(struct hand *hand); /* not timed; NULL: nothing to prepare */
  void (*once)(struct hand *hand);
};

static inline unsigned long long bench_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (unsigned long long)now.tv_sec * 1000000000ULL + (unsigned long long)now.tv_nsec;
}

struct turn {
  const struct work *work;
  struct hand *hand;
  pthread_barrier_t *ready;
  unsigned long count;
  unsigned long long began, ended;
};

static inline void *bench_turn(void *given) {
  struct turn *turn = given;
  if (turn->work->prepare) turn->work->prepare(turn->hand);
  turn->work->once(turn->hand);
  if (turn->ready) pthread_barrier_wait(turn->ready);
  turn->began = bench_now();
  for (unsigned long i = 0; i < turn->count; i++) turn->work->once(turn->hand);
  turn->ended = bench_now();
  return NULL;
}

static inline int bench_main(const struct work *works, void (*make)(struct hand *hand)) {
  static struct hand hands[MOST_THREADS];
  char name[64];
  size_t size;
  int threads;
  unsigned long count;
  for (int i = 0; i < MOST_THREADS; i++) {
    struct hand *hand = &hands[i];
    hand->number = i;
    hand->plaintext = malloc(MOST_SIZE);
    hand->opened = malloc(MOST_SIZE + 64);
    hand->token = malloc(MOST_SIZE / 3 * 4 + 128);
    hand->scratch = malloc(MOST_SIZE / 3 * 4 + 128);
    REQUIRE(hand->plaintext && hand->opened && hand->token && hand->scratch);
    memset(hand->plaintext, 'k', MOST_SIZE);
    make(hand);
  }
  while (scanf("%63s %zu %d %lu", name, &size, &threads, &count) == 4) {
    const struct work *work = works;
    while (work->name && strcmp(work->name, name)) work++;
    if (!work->name) {
      puts("-");
      fflush(stdout);
      continue;
    }
    REQUIRE(size <= MOST_SIZE && threads > 0 && threads <= MOST_THREADS);
    struct turn turns[MOST_THREADS];
    pthread_t ids[MOST_THREADS];
    pthread_barrier_t ready;
    pthread_barrier_init(&ready, NULL, (unsigned)threads);
    for (int i = 0; i < threads; i++) {
      hands[i].size = size;
      turns[i] = (struct turn){work, &hands[i], threads > 1 ? &ready : NULL, count, 0, 0};
      if (threads > 1) REQUIRE(pthread_create(&ids[i], NULL, bench_turn, &turns[i]) == 0);
    }
    if (threads == 1) bench_turn(&turns[0]);
    unsigned long long began = ~0ULL, ended = 0;
    for (int i = 0; i < threads; i++) {
      if (threads > 1) pthread_join(ids[i], NULL);
      if (turns[i].began < began) began = turns[i].began;
      if (turns[i].ended > ended) ended = turns[i].ended;
    }
    pthread_barrier_destroy(&ready);
    printf("%llu\n", ended - began);
    fflush(stdout);
  }
  return 0;
}

#endif
