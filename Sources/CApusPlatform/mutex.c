#include "apusp_mutex.h"

#include <pthread.h>
#include <stdlib.h>

struct apusp_mutex {
  pthread_mutex_t lock;
};

apusp_mutex *apusp_mutex_create(void) {
  apusp_mutex *mutex = malloc(sizeof *mutex);
  if (mutex && pthread_mutex_init(&mutex->lock, NULL) != 0) {
    free(mutex);
    mutex = NULL;
  }
  return mutex;
}

void apusp_mutex_lock(apusp_mutex *mutex) { pthread_mutex_lock(&mutex->lock); }

void apusp_mutex_unlock(apusp_mutex *mutex) { pthread_mutex_unlock(&mutex->lock); }

void apusp_mutex_destroy(apusp_mutex *mutex) {
  pthread_mutex_destroy(&mutex->lock);
  free(mutex);
}
