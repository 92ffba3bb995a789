// Every kind of file lock, for programs in C: see docs/c.md.
// Made from lock-rustix/c-face/src by cbindgen:
//     WRITE=1 cargo test -p lock-tests --test c_face header

#ifndef LOCKBOX_H
#define LOCKBOX_H

#include <stdint.h>

// How many words a lock has.
#define LOCKBOX_LOCK_WORDS 320

// Room for the name of a host and its end.
#define LOCKBOX_HOST_SIZE 65

// Room for the longest message and its end.
#define LOCKBOX_MESSAGE_SIZE 1024

// Room for a sentence and its end.
#define LOCKBOX_SENTENCE_SIZE 256

// A timeout: as long as it takes.
#define LOCKBOX_FOREVER UINT64_MAX

// A flag: beside others who hold the lock shared. Kinds flock, lockf and ofd.
#define LOCKBOX_SHARED 1

// A flag: a symbolic link at the path is followed; else it is an error. Kernel locks only.
#define LOCKBOX_FOLLOW_SYMLINKS 2

// A flag: `cancel_fd` ends the wait when it can be read.
#define LOCKBOX_CANCELLABLE 4

// A flag of `lockbox_break`: whoever holds the lock, and though he may live.
#define LOCKBOX_FORCE 8

// What became of a call.
enum lockbox_code {
  // Done.
  LOCKBOX_OK = 0,
  // Another holds the lock, or may; if there was a timeout, it is over.
  LOCKBOX_HELD = 1,
  // This process holds the lock already, in another `lockbox_lock`.
  LOCKBOX_HELD_BY_THIS_PROCESS = 2,
  // `cancel_fd` could be read before the lock was ours.
  LOCKBOX_CANCELLED = 3,
  // The lock is no longer ours: somebody removed or replaced it.
  LOCKBOX_LOST = 4,
  // There is no lock.
  LOCKBOX_NO_LOCK = 5,
  // A null pointer, a number that means nothing, or what does not suit the kind.
  LOCKBOX_WRONG_ARGUMENT = 6,
  // The `lockbox_lock` holds a lock where it should be empty, is empty where it should hold
  // one, belongs to the process that this one was forked from, or was never set to zeros.
  LOCKBOX_WRONG_LOCK = 7,
  // The directory or file does not exist.
  LOCKBOX_MISSING = 8,
  // No permission.
  LOCKBOX_DENIED = 9,
  // The file system is full or read-only, or a quota is used up.
  LOCKBOX_CANNOT_CREATE = 10,
  // What is at the path is no lock of this kind: a directory, a device, a symbolic link, a file
  // with another name.
  LOCKBOX_NOT_A_LOCK = 11,
  // The path or the message is too long.
  LOCKBOX_TOO_LONG = 12,
  // The path was given to another file again and again.
  LOCKBOX_REPLACED = 13,
  // Too many open files, links or locks.
  LOCKBOX_TOO_MANY = 14,
  // Not with this kind, file system or kernel.
  LOCKBOX_UNSUPPORTED = 15,
  // Anything else that the system said: see `os_errno`.
  LOCKBOX_FAILED = 16,
};

// How a lock was found.
enum lockbox_state {
  // Nobody holds it that can be seen from here.
  LOCKBOX_STATE_FREE = 0,
  // Somebody does.
  LOCKBOX_STATE_HELD = 1,
  // It stands, and its holder is gone: whoever takes it next removes it.
  LOCKBOX_STATE_STALE = 2,
  // It stands, and whether its holder lives cannot be told from here.
  LOCKBOX_STATE_UNKNOWN = 3,
};

// The kinds of locks, by the conventions that other programs know.
enum lockbox_kind {
  // flock and record lock together, the holder named in the file: Jane Street's
  // `Lock_file_blocking`.
  LOCKBOX_KIND_FILE = 0,
  // `flock(2)`.
  LOCKBOX_KIND_FLOCK = 1,
  // POSIX record lock on the whole file, as `lockf(3)` takes it. It belongs to the process.
  LOCKBOX_KIND_LOCKF = 2,
  // Record lock of an open file description on the whole file.
  LOCKBOX_KIND_OFD = 3,
  // Hard link PATH`.nfs_lock`: Jane Street's `Lock_file_blocking.Nfs`.
  LOCKBOX_KIND_NFS = 4,
  // Symbolic link whose target names the holder.
  LOCKBOX_KIND_SYMLINK = 5,
  // Directory with its holder named inside.
  LOCKBOX_KIND_MKDIR = 6,
  // File with pid and host in it: Pidfile.jl.
  LOCKBOX_KIND_PIDFILE = 7,
};

// A held lock, or room for one. All zeros, as a static variable or by `= {0}`, is an empty one.
// While it holds a lock it must not be copied. One lock is for one thread at a time; different
// locks are independent.
struct lockbox_lock {
  // The library's own.
  uint64_t opaque[LOCKBOX_LOCK_WORDS];
};

// Which lock is meant, and how. What is zero is not asked for: a path alone is one try at an
// exclusive lock of kind file.
struct lockbox_request {
  // The lock's name.
  const char *path;
  // One of `enum lockbox_kind`.
  uint32_t kind;
  // Any of the flags.
  uint32_t flags;
  // How long to wait, in nanoseconds; 0 for one try.
  uint64_t timeout_ns;
  // Words of the holder, kinds file (in place of the pid) and nfs; or null.
  const char *message;
  // Permissions of new files, less the umask; 0 for 0664.
  uint32_t mode;
  // See `LOCKBOX_CANCELLABLE`.
  int cancel_fd;
  // Kind pidfile: takes a lock so old, in milliseconds, for abandoned; 0 for none.
  uint64_t stale_age_ms;
  // Kind pidfile: holds the lock so long after each refresh and no longer, in milliseconds; 0
  // for as long as it takes. All who use the lock must say the same.
  uint64_t lease_ms;
};

// Why a call did not do what was asked.
struct lockbox_error {
  // What the call answered.
  enum lockbox_code code;
  // The number of the system's error; 0 if no system call failed.
  int os_errno;
  // All that is known, for a person to read; cut if it is too long.
  char sentence[LOCKBOX_SENTENCE_SIZE];
};

// What can be seen of a lock.
struct lockbox_status {
  // How it was found.
  enum lockbox_state state;
  // The holder's process; 0 if it is not known.
  uint64_t pid;
  // When that process started, in clock ticks since the machine did; 0 if it is not known.
  uint64_t start_ticks;
  // When the lock was written or refreshed, in milliseconds since 1970; 0 if it is not known.
  int64_t modified_ms;
  // The holder's host; empty if it is not known.
  char host[LOCKBOX_HOST_SIZE];
  // The holder's words; empty if there are none.
  char message[LOCKBOX_MESSAGE_SIZE];
  // Why the lock is stale or unknown; empty if it is neither.
  char why[LOCKBOX_SENTENCE_SIZE];
};

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Takes the lock that is asked for into an empty `lockbox_lock`.
//
// A lock that this process holds already is not waited for: `LOCKBOX_HELD_BY_THIS_PROCESS`. If
// the lock is not taken, `lock` is empty as before. A handled signal does not end the wait.
enum lockbox_code lockbox_take(struct lockbox_lock *lock,
                               const struct lockbox_request *request,
                               struct lockbox_error *error);

// Changes how a lock is held, without waiting: shared, or exclusive if `shared` is 0. Kinds
// flock, lockf and ofd.
//
// `LOCKBOX_HELD`: others forbid it, and the lock is held as before. `LOCKBOX_LOST`: others forbid
// it, and what was held is gone, for flock(2) converts in two steps; then `lock` is empty.
enum lockbox_code lockbox_convert(struct lockbox_lock *lock,
                                  int shared,
                                  struct lockbox_error *error);

// Keeps a lock fresh for those who judge it by its age, and tells whether it is still ours:
// `LOCKBOX_LOST` if not. Then it still has to be released.
enum lockbox_code lockbox_refresh(const struct lockbox_lock *lock, struct lockbox_error *error);

// Draws the next of the lock's numbers, each larger than all before it, from `.NAME.token` beside
// the lock. Whatever the lock protects can refuse a holder with a smaller number than it has seen.
// `token` is left alone if that fails.
enum lockbox_code lockbox_next_token(const struct lockbox_lock *lock,
                                     uint64_t *token,
                                     struct lockbox_error *error);

// The descriptor that carries a held lock, and still belongs to it; -1 if there is none. It is
// closed on exec unless that is changed.
int lockbox_descriptor(const struct lockbox_lock *lock);

// Gives a lock back; `lock` is empty then, whatever the answer. `LOCKBOX_LOST`: it was not ours
// any more. A forked child gives back only its own part: the lock stays its parent's.
enum lockbox_code lockbox_release(struct lockbox_lock *lock, struct lockbox_error *error);

// Tells who holds the lock that is asked for, without taking or changing anything.
enum lockbox_code lockbox_look(const struct lockbox_request *request,
                               struct lockbox_status *status,
                               struct lockbox_error *error);

// Removes a stale lock of the kinds nfs, symlink, mkdir and pidfile; with `LOCKBOX_FORCE` any.
// `LOCKBOX_HELD`: it is not stale, or not for certain. `LOCKBOX_NO_LOCK`: there is none.
enum lockbox_code lockbox_break(const struct lockbox_request *request, struct lockbox_error *error);

// What a code says, without the circumstances; the string lives for ever.
const char *lockbox_sentence(uint32_t code);

// The name of a kind, as lockbox(1) knows it, which lives for ever; null if there is none.
const char *lockbox_kind_name(uint32_t kind);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* LOCKBOX_H */
