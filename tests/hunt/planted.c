/* One defect of the kind that each sanitizer reports: planted WHICH. That it is reported shows that the checker works. */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int shared;

static void *count(void *ignored) {
  (void)ignored;
  for (int at = 0; at < 100000; at++)
    shared++;
  return NULL;
}

int main(int argc, char **argv) {
  const char *which = argc == 2 ? argv[1] : "";
  int *number = malloc(sizeof *number);
  pthread_t other;
  if (number == NULL)
    return 2;
  if (strcmp(which, "memory") == 0)
    return *number == 1 ? printf("one\n") : 0;
  *number = 0x7fffffff;
  if (strcmp(which, "undefined") == 0)
    *number += argc;
  if (strcmp(which, "address") == 0)
    number[1] = 1;
  if (strcmp(which, "thread") == 0 && pthread_create(&other, NULL, count, NULL) == 0) {
    count(NULL);
    pthread_join(other, NULL);
  }
  printf("%d\n", *number);
  free(number);
  return 0;
}
