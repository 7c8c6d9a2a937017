/* temporary.h: a folder of a program's own, under TMPDIR. For C programs that define _GNU_SOURCE or _DEFAULT_SOURCE. */

#ifndef TEMPORARY_H
#define TEMPORARY_H

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

/* The folder of the last make_temporary_folder. */
static char temporary_folder[PATH_MAX];

/* 0, or -1 and errno. */
static int make_temporary_folder(void) {
  const char *parent = getenv("TMPDIR");
  snprintf(temporary_folder, sizeof temporary_folder, "%s/keycask-XXXXXX", parent != NULL ? parent : P_tmpdir);
  return mkdtemp(temporary_folder) != NULL ? 0 : -1;
}

#endif
