/*
 * Preloaded, it hides the vDSO's getrandom, as a kernel before 6.11 has none: nonces come in batches.
 */

#include <stddef.h>

void *dlvsym(void *handle, const char *symbol, const char *version);

void *dlvsym(void *handle, const char *symbol, const char *version) {
  (void)handle, (void)symbol, (void)version;
  return NULL;
}
