/* Preloaded into a process: writes down, in order, every write, truncation and sync of the files in $POWER_FOLDER
   into $POWER_JOURNAL, so that a power cut can be played at any point of it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define FILES 4096

static char *paths[FILES];
static int journal = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static ssize_t (*real_write)(int, const void *, size_t);

static void note_name(char what, const char *name, uint64_t offset, const void *data, uint64_t size) {
    if (journal < 0) {
        const char *place = getenv("POWER_JOURNAL");
        real_write = dlsym(RTLD_NEXT, "write");
        int (*real_open)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
        journal = real_open(place, O_WRONLY | O_CREAT | O_APPEND, 0600);
    }
    struct __attribute__((packed)) { char what; uint16_t name; uint64_t offset, size; } head;
    head.what = what, head.name = (uint16_t)strlen(name), head.offset = offset, head.size = size;
    real_write(journal, &head, sizeof head);
    real_write(journal, name, head.name);
    if (size) real_write(journal, data, size);
}

static void note(char what, int file, uint64_t offset, const void *data, uint64_t size) {
    note_name(what, paths[file], offset, data, size);
}

/* The part of a path behind $POWER_FOLDER, or NULL. */
static const char *inside(const char *path) {
    const char *folder = getenv("POWER_FOLDER");
    size_t length = folder ? strlen(folder) : 0;
    return length && !strncmp(path, folder, length) && path[length] == '/' ? path + length + 1 : NULL;
}

static int is_watched(int file) { return file >= 0 && file < FILES && paths[file]; }

static int opened(int file, const char *path) {
    if (file >= 0 && file < FILES && inside(path)) paths[file] = strdup(inside(path));
    return file;
}

#define OPEN(name)                                                            \
    int name(const char *path, int flags, ...) {                              \
        va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, mode_t); va_end(rest); \
        int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, #name);        \
        return opened(real(path, flags, mode), path);                         \
    }
OPEN(open)
OPEN(open64)

int close(int file) {
    int (*real)(int) = dlsym(RTLD_NEXT, "close");
    if (is_watched(file)) paths[file] = NULL;
    return real(file);
}

int unlink(const char *path) {
    int (*real)(const char *) = dlsym(RTLD_NEXT, "unlink");
    if (!inside(path)) return real(path);
    pthread_mutex_lock(&lock);
    int answer = real(path);
    if (!answer) note_name('U', inside(path), 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    return answer;
}

/* What is done and what is written down are one step, or the order would be a guess. */
#define LOCKED(type, file, call, record)                       \
    if (!is_watched(file)) return call;                        \
    pthread_mutex_lock(&lock);                                 \
    type answer = call;                                        \
    record;                                                    \
    pthread_mutex_unlock(&lock);                               \
    return answer;

#define PWRITE(name, offset_type)                                                        \
    ssize_t name(int file, const void *data, size_t size, offset_type offset) {          \
        ssize_t (*real)(int, const void *, size_t, offset_type) = dlsym(RTLD_NEXT, #name); \
        LOCKED(ssize_t, file, real(file, data, size, offset), if (answer > 0) note('W', file, offset, data, answer)) \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

/* Plain writes are those of the test itself: what it was told. */
ssize_t write(int file, const void *data, size_t size) {
    ssize_t (*real)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
    LOCKED(ssize_t, file, real(file, data, size), if (answer > 0) note('A', file, 0, data, answer))
}

#define TRUNCATE(name, offset_type)                                              \
    int name(int file, offset_type size) {                                       \
        int (*real)(int, offset_type) = dlsym(RTLD_NEXT, #name);                 \
        LOCKED(int, file, real(file, size), if (!answer) note('T', file, size, NULL, 0)) \
    }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

#define SYNC(name)                                                         \
    int name(int file) {                                                   \
        int (*real)(int) = dlsym(RTLD_NEXT, #name);                        \
        LOCKED(int, file, real(file), if (!answer) note('S', file, 0, NULL, 0)) \
    }
SYNC(fsync)
SYNC(fdatasync)
