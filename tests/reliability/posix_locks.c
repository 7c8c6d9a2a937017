/*
 * Preloaded, it turns locks of open file descriptions into POSIX locks, as any other SQLite takes them: the control, which
 * must lose what keycask does not.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <fcntl.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <unistd.h>

int fcntl(int file, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  void *argument = va_arg(arguments, void *);
  va_end(arguments);
  if (command == F_OFD_SETLK)
    command = F_SETLK;
  else if (command == F_OFD_GETLK)
    command = F_GETLK;
  return (int)syscall(SYS_fcntl, file, command, argument);
}
