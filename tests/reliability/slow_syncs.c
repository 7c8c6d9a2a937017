/*
 * Preloaded, it makes every sync of this process take 400 ms longer; its children's are as quick as ever.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static pid_t slow;

__attribute__((constructor)) static void begin(void) {
  slow = getpid();
}

static int slowly(long call, int file) {
  const struct timespec time = { 0, 400000000 };
  int answer = (int)syscall(call, file);
  if (getpid() == slow)
    nanosleep(&time, NULL);
  return answer;
}

int fsync(int file) {
  return slowly(SYS_fsync, file);
}

int fdatasync(int file) {
  return slowly(SYS_fdatasync, file);
}
