/* apus.h: the C interface of Apus, a runtime for deep-learning models.
 *
 * This page is the whole contract; it reads from top to bottom. In short:
 *
 *     apus_model *model = NULL;
 *     apus_session *session = NULL;
 *     apus_error error;
 *     const int64_t extents[4] = {1, 1, 28, 28};
 *     const apus_shape shape = {extents, 4};
 *
 *     if (apus_model_load_path("model.apus", NULL, &model, &error) != APUS_OK) die(error.message);
 *     apus_session_create(model, NULL, &session, &error);
 *     apus_session_prepare(session, &shape, 1, &error);
 *     apus_session_bind_input(session, 0, pixels, sizeof pixels, NULL, NULL, &error);
 *     apus_session_bind_output(session, 0, logits, sizeof logits, NULL, NULL, &error);
 *     apus_session_run(session, NULL, &error);
 *     apus_session_destroy(session, &error);
 *     apus_model_release(model);
 *
 * A program that checks every status, and counts right answers on 10,000 images, is examples/c/classify.c.
 *
 *
 * RULES FOR ALL FUNCTIONS
 *
 * Versions. While the version is 0.x this interface may change with each minor version, and CHANGELOG.md says how. From
 * 1.0 on it only grows.
 *
 * Errors. A function that can fail returns a status: APUS_OK or one of APUS_ERROR_*. Its last argument is an apus_error of
 * the caller, or NULL; it is filled as described at apus_error. There is no per-thread or global error state. On failure
 * the outputs of a function hold what they held before, except where the function says otherwise; a function that makes
 * a handle sets it to NULL first. Each function lists the statuses that are its own; APUS_ERROR_NULL_POINTER (a pointer that
 * may not be NULL), APUS_ERROR_STRUCT_SIZE and APUS_ERROR_INVALID_ARGUMENT (also: a handle that is of another kind or no
 * longer alive) are possible everywhere and not repeated. APUS_ERROR_INTERNAL is a defect of Apus; please report it.
 *
 * Nothing that a file or a caller's number says ends the process. What no library can check is that a non-NULL pointer points
 * to as many bytes as the caller says. A handle that was given back is recognized and refused in most cases, not in all.
 *
 * Threads. Functions may be called from any thread. A model and a pool may be used by any number of threads at a time.
 * A session belongs to one caller at a time: a second call at the same time gives APUS_ERROR_BUSY, not a crash.
 * apus_session_cancel is for other threads than the one that runs. Marks below: [any] is safe together with every other
 * call on the same handle, [one] belongs to the session's one caller.
 *
 * Callbacks. Each one states on which threads it is called and what it may do. None may end in longjmp or an exception, and
 * none may give back the handle whose call is under way.
 *
 * Structures whose names end in _options, _info, or that have an init function begin with struct_size. Call
 * apus_X_init(&x, sizeof x) before the first use: it zeroes and sets the default of each field. So a program built with an
 * older or newer header works with this library: fields that the program does not know take their defaults, fields that
 * the library does not know must be zero. Other structures never change.
 *
 * Strings are UTF-8 and end with a NUL. Sizes are in bytes, 64 bits wide. Times are in nanoseconds. A flag is 0 or 1.
 *
 * Not in this version: operators of the host's own.
 *
 * Ownership. Handles are made by *_create and *_load_* functions and given back with *_release or *_destroy. Strings and arrays
 * that a function gives belong to Apus; the function says how long they live. What a caller passes in is copied before the
 * call returns, except buffers that are said to be borrowed; these come with a release callback. */
#ifndef APUS_H
#define APUS_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define APUS_API __attribute__((visibility("default")))
#else
#define APUS_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ============================================================ Statuses and errors */

#define APUS_OK 0

/* 1xx: an argument is wrong. */
#define APUS_ERROR_INVALID_ARGUMENT 100
#define APUS_ERROR_NULL_POINTER 101
#define APUS_ERROR_STRUCT_SIZE 102 /* struct_size is too small, absurd, or fields unknown to this library are not zero */
#define APUS_ERROR_UNKNOWN_NAME 103
#define APUS_ERROR_INDEX_OUT_OF_RANGE 104
#define APUS_ERROR_TYPE_MISMATCH 105
#define APUS_ERROR_SHAPE_MISMATCH 106
#define APUS_ERROR_BUFFER_TOO_SMALL 107

/* 2xx: not possible in this state. */
#define APUS_ERROR_NOT_PREPARED 200
#define APUS_ERROR_BUSY 201 /* another call on this session is under way */
#define APUS_ERROR_CANCELLED 202
#define APUS_ERROR_DEADLINE_EXCEEDED 203
#define APUS_ERROR_NOT_BOUND 204

/* 3xx: resources. */
#define APUS_ERROR_OUT_OF_MEMORY 300   /* the allocator gave NULL */
#define APUS_ERROR_LIMIT_EXCEEDED 301  /* more than apus_limits allow; refused before it was allocated */
#define APUS_ERROR_IO 302
#define APUS_ERROR_FILE_NOT_FOUND 303
#define APUS_ERROR_THREAD_CREATION 304

/* 4xx: the file. */
#define APUS_ERROR_NOT_APUS_FILE 400
#define APUS_ERROR_UNSUPPORTED_VERSION 401
#define APUS_ERROR_UNSUPPORTED_FEATURE 402
#define APUS_ERROR_TRUNCATED 403
#define APUS_ERROR_CHECKSUM_MISMATCH 404
#define APUS_ERROR_MALFORMED 405
#define APUS_ERROR_DECOMPRESSION 406

/* 5xx: the model. */
#define APUS_ERROR_INVALID_MODEL 500
#define APUS_ERROR_UNSUPPORTED_OPERATOR 501
#define APUS_ERROR_UNSUPPORTED_TYPE 502
#define APUS_ERROR_INVALID_ATTRIBUTE 503
#define APUS_ERROR_SHAPE_INFERENCE 504
#define APUS_ERROR_UNSUPPORTED 505

/* 6xx: a run. */
#define APUS_ERROR_VALUE_OUT_OF_RANGE 600 /* such as an index in the data that is outside of its axis */
#define APUS_ERROR_SELF_TEST_FAILED 601

/* 9xx: Apus itself. */
#define APUS_ERROR_INTERNAL 900

#define APUS_NO_OFFSET UINT64_MAX

/* What went wrong. Owned by the caller, needs no init, and never changes its layout. A function that gets one always writes it:
 * on success status is APUS_OK and the strings are empty. Strings that are too long are cut between characters. */
typedef struct apus_error {
  int32_t status;          /* what the function returned */
  int32_t reserved;        /* 0 */
  uint64_t file_offset;    /* byte in the file, or in the raw graph section where the message says so; or APUS_NO_OFFSET */
  char message[512];       /* one sentence, without the parts below */
  char file[512];          /* path of the file it is about; empty where none is */
  char operator_name[256]; /* "name (domain.Operator-version)" of the node; empty where none is */
  char tensor_name[256];   /* tensor, input or output; empty where none is */
  char expected[256];      /* what should have come; empty where that makes no sense */
  char actual[256];        /* what came */
} apus_error;

/* "APUS_ERROR_TRUNCATED" and so on; "unknown status" for other numbers. Lives for ever. [any] */
APUS_API const char *apus_status_name(int32_t status);

/* All that `source` holds, on one line: "file: operator: tensor: message (expected ..., got ..., at byte ...)". Writes at most
 * `capacity` bytes with the NUL to `buffer` (may be NULL if capacity is 0), cut between characters. Returns the bytes that
 * the whole line takes without the NUL. `source` may be NULL (an empty line). [any] */
APUS_API uint64_t apus_error_format(const apus_error *source, char *buffer, uint64_t capacity);

/* ============================================================ Version, build and CPU */

/* The version of this header. */
#define APUS_VERSION_MAJOR 0
#define APUS_VERSION_MINOR 1
#define APUS_VERSION_PATCH 0
#define APUS_VERSION_STRING "0.1.0"

/* The version as one number that grows: major * 1000000 + minor * 1000 + patch. */
#define APUS_VERSION 1000

/* APUS_VERSION and APUS_VERSION_STRING of the library that is running. [any] Never fail. */
APUS_API uint32_t apus_version(void);
APUS_API const char *apus_version_string(void);

typedef struct apus_build_info {
  uint64_t struct_size;
  const char *compiler;      /* name and version of the Swift compiler */
  const char *operator_pack; /* which operators the library has: "core", "full" (libapus-full), "selection" (OPS=) */
  uint32_t is_embedded;      /* 1: needs libc and libm alone; 0: uses the Swift runtime library */
  uint32_t file_major;       /* major version of the .apus files that it reads */
  uint32_t file_minor;       /* and their minor version; while the major version is 0, each minor one is a format of its own */
  uint32_t operator_count;   /* operators that it can run, each (domain, name, since-version) counted once */
} apus_build_info;

APUS_API void apus_build_info_init(apus_build_info *info, size_t size);

/* How the library was built. Strings live for ever. [any] */
APUS_API int32_t apus_build(apus_build_info *info, apus_error *error);

/* Instruction set levels, each with all of the one before. Results are the same bits on all of them. */
#define APUS_CPU_PORTABLE 0
#define APUS_CPU_AVX2 1   /* AVX2, FMA, F16C */
#define APUS_CPU_AVX512 2 /* AVX-512 F, BW, DQ, VL */

/* Extensions beyond a level, bits of apus_cpu_info.features. */
#define APUS_CPU_FEATURE_AVX_VNNI 1
#define APUS_CPU_FEATURE_AVX512_VNNI 2
#define APUS_CPU_FEATURE_AVX512_BF16 4
#define APUS_CPU_FEATURE_AVX512_FP16 8

typedef struct apus_cpu_info {
  uint64_t struct_size;
  char brand[64];         /* the CPU's own name */
  int32_t detected_level; /* APUS_CPU_*: what CPU and system offer */
  int32_t level;          /* what models loaded without a choice of their own use: see APUS_CPU below */
  uint32_t features;      /* APUS_CPU_FEATURE_* that go with `level` */
  uint32_t threads;       /* worth having: the affinity mask of this thread, at most the container's quota */
  uint64_t l1_bytes;      /* data cache of a core */
  uint64_t l2_bytes;      /* second-level cache of a core */
  uint64_t l3_bytes;      /* shared cache; 0 where there is none */
} apus_cpu_info;

APUS_API void apus_cpu_info_init(apus_cpu_info *info, size_t size);

/* What this CPU offers. The environment variable APUS_CPU ("portable", "avx2", "avx512") lowers `level`.
 * [any] Asks the system at each call.
 * APUS_ERROR_UNKNOWN_NAME, APUS_ERROR_UNSUPPORTED: APUS_CPU names no level, or one that this CPU lacks. */
APUS_API int32_t apus_cpu(apus_cpu_info *info, apus_error *error);

/* "portable", "avx2" or "avx512"; "unknown" for other numbers. Lives for ever. [any] */
APUS_API const char *apus_cpu_level_name(int32_t level);

/* ============================================================ Element types and shapes */

/* The numbers of ONNX (TensorProto.DataType). Tensors are row-major, little-endian and dense. 4- and 2-bit elements are
 * packed, the first one in the lowest bits, without padding between rows. A bool is a byte, 0 or 1. */
#define APUS_TYPE_FLOAT32 1
#define APUS_TYPE_UINT8 2
#define APUS_TYPE_INT8 3
#define APUS_TYPE_UINT16 4
#define APUS_TYPE_INT16 5
#define APUS_TYPE_INT32 6
#define APUS_TYPE_INT64 7
#define APUS_TYPE_STRING 8
#define APUS_TYPE_BOOL 9
#define APUS_TYPE_FLOAT16 10
#define APUS_TYPE_FLOAT64 11
#define APUS_TYPE_UINT32 12
#define APUS_TYPE_UINT64 13
#define APUS_TYPE_COMPLEX64 14
#define APUS_TYPE_COMPLEX128 15
#define APUS_TYPE_BFLOAT16 16
#define APUS_TYPE_FLOAT8E4M3FN 17
#define APUS_TYPE_FLOAT8E4M3FNUZ 18
#define APUS_TYPE_FLOAT8E5M2 19
#define APUS_TYPE_FLOAT8E5M2FNUZ 20
#define APUS_TYPE_UINT4 21
#define APUS_TYPE_INT4 22
#define APUS_TYPE_FLOAT4E2M1 23
#define APUS_TYPE_FLOAT8E8M0 24
#define APUS_TYPE_UINT2 25
#define APUS_TYPE_INT2 26

/* "float32" and so on; "unknown" for other numbers. Lives for ever. [any] */
APUS_API const char *apus_type_name(int32_t element_type);

/* Bits of one element; 0 for strings, which have no fixed size, and for numbers that are no type. [any] */
APUS_API uint32_t apus_type_bits(int32_t element_type);

/* The extents of a tensor, outermost first. A scalar has rank 0 and may have NULL. Never changes its layout. */
typedef struct apus_shape {
  const int64_t *extents;
  uint64_t rank;
} apus_shape;

/* Bytes of a dense tensor, packed types rounded up to a whole byte.
 * [any] APUS_ERROR_INVALID_ARGUMENT: no such type, or strings. APUS_ERROR_SHAPE_MISMATCH: a negative extent, or a product
 * that no computer can hold. */
APUS_API int32_t apus_tensor_size(int32_t element_type, const apus_shape *shape, uint64_t *size, apus_error *error);

/* ============================================================ Memory, limits, log */

/* The host's allocator for bulk memory: graph bytes, segments, packed weights, arenas, staging. Small objects, in proportion
 * to the verified graph, come from the C library; where that has none left, libapus serves them from 64 MiB of address space
 * that loading and preparing set aside first (APUS_ERROR_OUT_OF_MEMORY where that fails). A library that uses the Swift runtime
 * (apus_build_info.is_embedded 0) has no such reserve: there the process ends. Runs make no object of either kind.
 *
 * Both functions are called from any thread, several at a time. They must not call Apus. The first calls come from the
 * function that the allocator was passed to; the last call comes before the last of these returns: release of the model,
 * destruction of its sessions (for a pool: its last release and the destruction of the sessions that use it). */
typedef struct apus_allocator {
  uint64_t struct_size;
  void *user; /* passed to both */
  /* `size` > 0 bytes at a multiple of `alignment` (a power of two, at least 64), or NULL, which becomes
   * APUS_ERROR_OUT_OF_MEMORY. */
  void *(*allocate)(void *user, uint64_t size, uint64_t alignment);
  /* Gives back what allocate returned for this size and alignment. */
  void (*deallocate)(void *user, void *pointer, uint64_t size, uint64_t alignment);
} apus_allocator;

APUS_API void apus_allocator_init(apus_allocator *allocator, size_t size);

/* What a file, and the model in it, may ask for. Checked before anything of that size is allocated. init sets generous
 * defaults; a host that opens files of strangers sets its own. */
typedef struct apus_limits {
  uint64_t struct_size;
  uint64_t file_bytes;         /* of the whole file; 1 TiB */
  uint64_t decompressed_bytes; /* of all sections and segments after decompression; 1 TiB */
  uint64_t memory_bytes;       /* bulk memory in use at a time by the model and its sessions; UINT64_MAX: no limit */
  uint64_t operators;          /* nodes of all graphs; 1,000,000 */
  uint64_t rank;               /* axes of a tensor; 64 */
  uint64_t elements;           /* of one tensor; 2^40 */
  uint64_t iterations;         /* of one Loop in a run; 2^24 */
} apus_limits;

APUS_API void apus_limits_init(apus_limits *limits, size_t size);

#define APUS_LOG_ERROR 1
#define APUS_LOG_WARNING 2
#define APUS_LOG_INFO 3
#define APUS_LOG_DEBUG 4

/* One line of text without a line break, living until the callback returns. Called on the thread of the call that has
 * something to say, never during apus_session_run. May be called from several threads at a time. It must not use the handle
 * whose call is under way. */
typedef void (*apus_log_fn)(void *user, int32_t level, const char *line);

/* Tells that Apus no longer needs `memory` (what was passed in; NULL where there is none). Called exactly once, on the thread
 * of the call that lets go of it. It may free `memory`; it must not call Apus. */
typedef void (*apus_release_fn)(void *user, const void *memory);

/* ============================================================ Loading models */

/* A model: verified, immutable, reference counted. */
typedef struct apus_model apus_model;

typedef struct apus_load_options {
  uint64_t struct_size;
  const apus_limits *limits;       /* NULL: the defaults of apus_limits_init */
  const apus_allocator *allocator; /* NULL: the C library's */
  apus_log_fn log;                 /* NULL: no log. Used until the model and its sessions are gone */
  void *log_user;
  const char *cpu; /* "portable", "avx2", "avx512"; NULL: the environment variable APUS_CPU, else the best */
  /* 1: a float32 input that the model quantizes first, and an output that it dequantizes last, is the quantized tensor itself;
   * apus_tensor_info tells its type, scale and zero point. Other ports stay as they are. 0: all ports as the model declares
   * them. */
  uint32_t quantized_ports;
  uint32_t reserved; /* 0 */
} apus_load_options;

APUS_API void apus_load_options_init(apus_load_options *options, size_t size);

/* Each of the functions below reads a model, checks it and sets *model to a handle with one reference. `options` may be NULL.
 * Nothing of the file runs or is trusted: every offset, size and checksum is verified, always. [any]
 *
 * Statuses: all of 3xx, 4xx and 5xx, with place, operator and tensor in `error`; APUS_ERROR_UNKNOWN_NAME and
 * APUS_ERROR_UNSUPPORTED for options->cpu or APUS_CPU.
 *
 * The environment variable APUS_CONV chooses how float32 convolutions are computed, for tests and comparisons: "auto" (by
 * their sizes), "direct", "winograd2", "winograd4" or "winograd6" (Winograd's F(2x2, 3x3), F(4x4, 3x3) or F(6x6, 3x3) wherever it
 * can compute them). Another name is APUS_ERROR_UNKNOWN_NAME. */

/* From a file, which stays open until the model is gone: its segments are read when they are first needed, and checked then.
 * A file that changes meanwhile gives an error, not wrong results. Pipes are read to their end. `path` is UTF-8. */
APUS_API int32_t apus_model_load_path(const char *path, const apus_load_options *options, apus_model **model, apus_error *error);

/* From a file that stays mapped until the model is gone: large raw segments are used in place, shared between processes, and
 * read on demand. CONTRACT: nobody changes or shortens the file meanwhile. A file that shrinks ends the process with
 * SIGBUS; one that is rewritten gives wrong results. Files of strangers belong to apus_model_load_path. */
APUS_API int32_t apus_model_load_mapped(const char *path, const apus_load_options *options, apus_model **model,
                                        apus_error *error);

/* From memory, which is copied: the caller may free it at once. */
APUS_API int32_t apus_model_load_copy(const void *bytes, uint64_t size, const apus_load_options *options, apus_model **model,
                                      apus_error *error);

/* From memory that is borrowed: it must stay as it is until release(user, bytes) is called. `release` (may be NULL) is called
 * exactly once for each call of this function: before it returns if it fails, or else when the model is gone. Large raw
 * segments at addresses that are multiples of 64 are used in place. */
APUS_API int32_t apus_model_load_borrowed(const void *bytes, uint64_t size, apus_release_fn release, void *user,
                                          const apus_load_options *options, apus_model **model, apus_error *error);

/* From an open file: a model that begins at `offset` and is `length` bytes long (0: to the end of the file). Reads at places, so
 * the descriptor's own place does not matter and does not move. A pipe or socket is read from where it stands to its end, and has
 * offset and length 0. The descriptor is duplicated: the caller may close his at once. */
APUS_API int32_t apus_model_load_fd(int32_t descriptor, uint64_t offset, uint64_t length, const apus_load_options *options,
                                    apus_model **model, apus_error *error);

/* Puts up to `size` > 0 bytes, those that follow what it gave before, into `buffer`. Returns how many, 0 at the end, or a
 * negative number for a failure, which becomes APUS_ERROR_IO with the number in `actual`. */
typedef int64_t (*apus_read_fn)(void *user, void *buffer, uint64_t size);

/* From a stream, which is read to its end. `read` is called on this thread, until this function returns; it may use other
 * handles of Apus. */
APUS_API int32_t apus_model_load_stream(apus_read_fn read, void *user, const apus_load_options *options, apus_model **model,
                                        apus_error *error);

/* Puts up to `size` > 0 bytes that stand at `offset` into `buffer`, and returns as apus_read_fn does. Asking again for the
 * same place gives the same bytes. */
typedef int64_t (*apus_read_at_fn)(void *user, void *buffer, uint64_t size, uint64_t offset);

/* From anything with places, `size` bytes long. `read_at` is called by this function and, for segments that are needed later, by
 * apus_session_prepare and apus_model_self_test, on their threads, one call at a time; it may use other handles of
 * Apus. `release` (may be NULL) is called as release(user, NULL), exactly once for each call of this function: before it
 * returns if it fails, or else when the model is gone. */
APUS_API int32_t apus_model_load_positioned(apus_read_at_fn read_at, uint64_t size, apus_release_fn release, void *user,
                                            const apus_load_options *options, apus_model **model, apus_error *error);

/* Adds or takes away a reference. The last release frees the model as soon as no session uses it. NULL and dead handles
 * are ignored. [any] */
APUS_API void apus_model_retain(apus_model *model);
APUS_API void apus_model_release(apus_model *model);

/* ============================================================ Looking into a model */

/* Strings and arrays in the structures of this part live as long as the caller holds its reference to the model. All
 * functions are [any]; all with an index have APUS_ERROR_INDEX_OUT_OF_RANGE. */

typedef struct apus_model_info {
  uint64_t struct_size;
  uint8_t model_id[32];       /* SHA-256 over the graph and the decoded weights, whatever the file's compression */
  uint32_t input_count;       /* those of states included */
  uint32_t output_count;      /* those of states included */
  uint32_t state_count;       /* what sessions carry from run to run: see apus_model_state */
  uint32_t metadata_count;    /* keys with values */
  uint32_t operator_count;    /* kinds of operators: see apus_model_operator */
  uint32_t test_vector_count; /* for apus_model_self_test */
  uint64_t node_count;        /* applications of operators, in all graphs */
  uint64_t flops;             /* of one run with each symbolic extent at its least value but 0; 0: not stated */
  uint64_t live_bytes;        /* the largest set of values alive at once, with the same extents; 0: not stated */
  uint64_t weight_bytes;      /* of all constant tensors, decoded */
  uint32_t minimum_version;   /* of Apus, as APUS_VERSION; 0: not stated */
  uint32_t reserved;          /* 0 */
  const char *producer;       /* program and version that wrote the file; may be empty */
} apus_model_info;

APUS_API void apus_model_info_init(apus_model_info *info, size_t size);
APUS_API int32_t apus_model_inspect(const apus_model *model, apus_model_info *info, apus_error *error);

#define APUS_EXTENT_UNKNOWN (-1) /* extent: follows from the input shapes or the data */
#define APUS_RANK_UNKNOWN (-1)

/* One axis. Never changes its layout. */
typedef struct apus_dimension {
  int64_t extent;     /* 0 or more, or APUS_EXTENT_UNKNOWN */
  const char *symbol; /* if the caller chooses the extent: its name, the same wherever the same extent is meant; else NULL */
  int64_t minimum;    /* what may be chosen: at least this, */
  int64_t maximum;    /* at most this (INT64_MAX: no bound), */
  int64_t multiple;   /* and a multiple of this */
} apus_dimension;

/* What an input or output is. Buffers are for tensors of numbers alone; apus_session_prepare refuses models whose inputs are
 * something else. */
#define APUS_KIND_TENSOR 0
#define APUS_KIND_SEQUENCE 1
#define APUS_KIND_OPTIONAL 2
#define APUS_KIND_MAP 3

/* An input or output. */
typedef struct apus_tensor_info {
  uint64_t struct_size;
  const char *name;
  int32_t element_type;             /* APUS_TYPE_*; of what it holds, where it is no tensor */
  int32_t rank;                     /* or APUS_RANK_UNKNOWN */
  const apus_dimension *dimensions; /* `rank` of them; NULL where there is none */
  int32_t state;                    /* the state that it belongs to: the session keeps it, nobody binds it; else -1 */
  int32_t kind;                     /* APUS_KIND_* */
  int32_t is_quantized;             /* 1: integers q that stand for (q - zero_point) * scale: see quantized_ports; else 0 */
  int32_t zero_point;
  float scale;
  int32_t reserved;                 /* 0 */
} apus_tensor_info;

APUS_API void apus_tensor_info_init(apus_tensor_info *info, size_t size);

APUS_API int32_t apus_model_input(const apus_model *model, uint32_t index, apus_tensor_info *info, apus_error *error);
APUS_API int32_t apus_model_output(const apus_model *model, uint32_t index, apus_tensor_info *info, apus_error *error);

/* What a session carries from run to run: the output of a run becomes the input of the next. */
typedef struct apus_state_info {
  uint64_t struct_size;
  const char *name;
  uint32_t input; /* indices for apus_model_input and apus_model_output */
  uint32_t output;
} apus_state_info;

APUS_API void apus_state_info_init(apus_state_info *info, size_t size);
APUS_API int32_t apus_model_state(const apus_model *model, uint32_t index, apus_state_info *info, apus_error *error);

/* The index of the input or output called `name`, compared byte by byte. APUS_ERROR_UNKNOWN_NAME: none is. */
APUS_API int32_t apus_model_find_input(const apus_model *model, const char *name, uint32_t *index, apus_error *error);
APUS_API int32_t apus_model_find_output(const apus_model *model, const char *name, uint32_t *index, apus_error *error);

/* Key and value of an entry; entries are sorted by key. Either pointer may be NULL. */
APUS_API int32_t apus_model_metadata(const apus_model *model, uint32_t index, const char **key, const char **value,
                                     apus_error *error);

/* The value of a key. APUS_ERROR_UNKNOWN_NAME: there is no such key. */
APUS_API int32_t apus_model_find_metadata(const apus_model *model, const char *key, const char **value, apus_error *error);

/* A kind of operator that the model needs. */
typedef struct apus_operator_info {
  uint64_t struct_size;
  const char *domain; /* "ai.onnx" and so on */
  const char *name;
  int32_t since_version;
  uint32_t node_count; /* how many nodes of it */
} apus_operator_info;

APUS_API void apus_operator_info_init(apus_operator_info *info, size_t size);
APUS_API int32_t apus_model_operator(const apus_model *model, uint32_t index, apus_operator_info *info, apus_error *error);

/* What a session and its model take, in bytes of bulk memory. */
typedef struct apus_memory_info {
  uint64_t struct_size;
  uint64_t arena_bytes;    /* each session: intermediate values */
  uint64_t scratch_bytes;  /* each session: work space of all threads */
  uint64_t control_bytes;  /* each session: steps, argument blocks and tables */
  uint64_t port_bytes;     /* each session: its own memory of inputs and outputs, little used where buffers are bound */
  uint64_t session_bytes;  /* each session: the sum of the four */
  uint64_t packed_bytes;   /* once for all sessions of the model: weights in this CPU's order */
  uint64_t constant_bytes; /* once for all sessions of the model: weights in their own order */
} apus_memory_info;

APUS_API void apus_memory_info_init(apus_memory_info *info, size_t size);

/* What apus_session_prepare with these input shapes (one for each input, in order) would take with so many threads (0 counts
 * as 1), found without taking it. `shapes` may be NULL with count 0 where every input's shape is fixed.
 * Statuses: those of apus_session_prepare; APUS_ERROR_UNSUPPORTED where it depends on data. */
APUS_API int32_t apus_model_memory(const apus_model *model, const apus_shape *shapes, uint32_t count, uint32_t threads,
                                   apus_memory_info *info, apus_error *error);

/* Bulk memory of the model and its sessions, in bytes: in use now, and the most so far. Either pointer may be NULL. */
APUS_API int32_t apus_model_memory_use(const apus_model *model, uint64_t *in_use, uint64_t *peak, apus_error *error);

/* ============================================================ Pools of threads */

/* Threads that models and sessions share; reference counted. One run at a time has the workers; a run that finds them taken
 * does its work on its own thread instead of waiting. Workers spin between the steps of a run and for 50 us after it, unless
 * there are more threads than CPUs, and then sleep. They keep off the CPU that the run was begun on. */
typedef struct apus_pool apus_pool;

typedef struct apus_pool_options {
  uint64_t struct_size;
  uint32_t threads;                /* that work at a time, the calling one included; 0: apus_cpu_info.threads */
  uint32_t reserved;               /* 0 */
  const apus_allocator *allocator; /* NULL: the C library's */
} apus_pool_options;

APUS_API void apus_pool_options_init(apus_pool_options *options, size_t size);

/* Starts the threads and sets *pool to a handle with one reference. `options` may be NULL. [any]
 * APUS_ERROR_INVALID_ARGUMENT: more than 1,024 threads. APUS_ERROR_THREAD_CREATION, APUS_ERROR_OUT_OF_MEMORY.
 * After fork() the child has no workers: there its runs do their work on their own threads. */
APUS_API int32_t apus_pool_create(const apus_pool_options *options, apus_pool **pool, apus_error *error);

/* The host's own threads in place of Apus's. */
typedef struct apus_parallel_for {
  uint64_t struct_size;
  void *user;       /* passed to run */
  uint32_t threads; /* the most bodies that may run at a time, the caller's thread included; 1 to 1,024 */
  uint32_t reserved;
  /* Calls body(context, i) once for each i in 0 ..< count (count <= threads), on any threads, in any order, and returns when
   * all have returned. Called on threads that run a session, one call at a time. It may not use the session that runs. */
  void (*run)(void *user, int32_t count, void (*body)(void *context, int32_t index), void *context);
} apus_parallel_for;

APUS_API void apus_parallel_for_init(apus_parallel_for *host, size_t size);

/* A pool over the host's threads. `host` is copied; its `user` must live as long as the pool. `allocator` may be NULL. [any]
 * APUS_ERROR_INVALID_ARGUMENT: `threads` out of range. */
APUS_API int32_t apus_pool_create_host(const apus_parallel_for *host, const apus_allocator *allocator, apus_pool **pool,
                                       apus_error *error);

/* How many threads work at a time; 0 for NULL and dead handles. [any] */
APUS_API uint32_t apus_pool_threads(const apus_pool *pool);

/* Adds or takes away a reference. The last release, or the destruction of the last session that uses the pool, stops and joins
 * the threads. It must not come from inside a body of that pool. NULL and dead handles are ignored. [any] */
APUS_API void apus_pool_retain(apus_pool *pool);
APUS_API void apus_pool_release(apus_pool *pool);

/* ============================================================ Sessions */

/* A session runs a model: create, prepare shapes, bind or fill inputs, run, read outputs, run again. */
typedef struct apus_session apus_session;

/* How far a run is. Called on the running thread after each step, in the kernels' floating-point mode (round to nearest,
 * denormals kept). It may call apus_session_cancel; other functions on this session give APUS_ERROR_BUSY. */
typedef void (*apus_progress_fn)(void *user, int64_t steps_done, int64_t steps);

typedef struct apus_session_options {
  uint64_t struct_size;
  apus_pool *pool;  /* NULL: runs use the calling thread alone. The session keeps a reference */
  uint32_t profile; /* 1: measure each step, for apus_session_profile; costs two looks at the clock a step */
  uint32_t reserved;
  apus_progress_fn progress; /* NULL: none */
  void *progress_user;
} apus_session_options;

APUS_API void apus_session_options_init(apus_session_options *options, size_t size);

/* Makes a session and keeps references to the model and the pool. `options` may be NULL. [any]
 * APUS_ERROR_OUT_OF_MEMORY, APUS_ERROR_LIMIT_EXCEEDED. */
APUS_API int32_t apus_session_create(apus_model *model, const apus_session_options *options, apus_session **session,
                                     apus_error *error);

/* Ends a session, gives back its memory and releases bound buffers. On failure the session lives on. NULL is ignored. [one]
 * APUS_ERROR_BUSY: it runs; cancel it and wait for the run to return first. */
APUS_API int32_t apus_session_destroy(apus_session *session, apus_error *error);

/* Fixes the shapes of all inputs, in order; plans and allocates everything that runs need, packs the weights that this CPU wants
 * packed, and sets states to their initial values. May be called again with other shapes: buffers bound before stay bound if
 * they still fit, otherwise they are released. After an error of the shapes the session is as it was; after any other it is not
 * prepared. `shapes` may be NULL with count 0 where every input's shape is fixed. [one]
 * APUS_ERROR_SHAPE_MISMATCH: not one shape for each input, or an extent that its dimension does not allow (see apus_dimension).
 * APUS_ERROR_SHAPE_INFERENCE: no run is possible with these shapes. APUS_ERROR_OUT_OF_MEMORY, APUS_ERROR_LIMIT_EXCEEDED;
 * 4xx: a segment of the file that is read now for the first time is damaged. */
APUS_API int32_t apus_session_prepare(apus_session *session, const apus_shape *shapes, uint32_t count, apus_error *error);

typedef struct apus_session_info {
  uint64_t struct_size;
  uint32_t is_prepared;
  uint32_t is_allocation_free; /* 1: runs allocate nothing, take no lock, and with one thread make no system call. 0: before
                                  prepare, and where shapes depend on data or the model has control flow: then runs take
                                  bulk memory as they go, within the limits, and keep it for the next ones */
  uint64_t arena_bytes;        /* of this session; 0 before prepare */
  uint64_t step_count;         /* steps of a run */
  uint32_t threads;            /* that a run may use */
  int32_t cpu_level;           /* APUS_CPU_*: whose kernels it uses */
} apus_session_info;

APUS_API void apus_session_info_init(apus_session_info *info, size_t size);

/* [one] */
APUS_API int32_t apus_session_inspect(apus_session *session, apus_session_info *info, apus_error *error);

/* ------------------------------------------------------------ Inputs and outputs
 *
 * All functions of this part are [one], need apus_session_prepare first (APUS_ERROR_NOT_PREPARED), and have
 * APUS_ERROR_INDEX_OUT_OF_RANGE. Each input and output is either bound to the caller's buffer or has memory of the session's
 * own, in the arena. Tensors are dense and row-major in both. */

/* Bytes of an input as prepared. */
APUS_API int32_t apus_session_input_size(apus_session *session, uint32_t index, uint64_t *size, apus_error *error);

/* Bytes of an output: before a run the capacity that a buffer needs, after it what the run wrote. APUS_ERROR_NOT_PREPARED also
 * where the size depends on data (is_allocation_free is 0) and nothing has run. */
APUS_API int32_t apus_session_output_size(apus_session *session, uint32_t index, uint64_t *size, apus_error *error);

/* The extents of an output: as planned before a run, actual after it; as apus_session_output_size. Sets *rank, and writes the
 * extents if `capacity` is at least that. `extents` may be NULL with capacity 0, to ask for the rank:
 * APUS_ERROR_BUFFER_TOO_SMALL, but *rank is set. */
APUS_API int32_t apus_session_output_shape(apus_session *session, uint32_t index, int64_t *extents, uint32_t capacity,
                                           uint32_t *rank, apus_error *error);

/* Binds an input to the caller's memory, which runs read without a copy. It must hold at least apus_session_input_size
 * bytes, at an address that the element type allows, until it is released, and nobody may write it during a run.
 * `release` (may be NULL) is called exactly once for each call of this function: before it returns if it fails; else when
 * the input is bound again or unbound, the memory no longer fits a new prepare, or the session is destroyed.
 * APUS_ERROR_BUFFER_TOO_SMALL: `size` is too small. APUS_ERROR_INVALID_ARGUMENT: the address is not aligned. */
APUS_API int32_t apus_session_bind_input(apus_session *session, uint32_t index, const void *data, uint64_t size,
                                         apus_release_fn release, void *user, apus_error *error);

/* Binds an output to the caller's memory, which runs write without a copy; its contents are undefined after a run that failed.
 * It must not overlap other bound memory. Else as apus_session_bind_input; where the size depends on data, a run whose result
 * does not fit gives APUS_ERROR_BUFFER_TOO_SMALL, with the size that it takes. */
APUS_API int32_t apus_session_bind_output(apus_session *session, uint32_t index, void *data, uint64_t capacity,
                                          apus_release_fn release, void *user, apus_error *error);

/* Goes back to the session's own memory, and releases the caller's. Nothing happens if none is bound. */
APUS_API int32_t apus_session_unbind_input(apus_session *session, uint32_t index, apus_error *error);
APUS_API int32_t apus_session_unbind_output(apus_session *session, uint32_t index, apus_error *error);

/* The session's own memory of an input, for the caller to fill before a run. It keeps its contents from run to run, and lives
 * until the next prepare, bind or destroy. *size may be NULL. APUS_ERROR_INVALID_ARGUMENT: the input is bound. */
APUS_API int32_t apus_session_input_buffer(apus_session *session, uint32_t index, void **data, uint64_t *size,
                                           apus_error *error);

/* What the last run wrote to an output, in the session's own memory or in the bound one. Valid until the next run, prepare,
 * bind or destroy. *size may be NULL. */
APUS_API int32_t apus_session_output_buffer(apus_session *session, uint32_t index, const void **data, uint64_t *size,
                                            apus_error *error);

/* ------------------------------------------------------------ Running */

typedef struct apus_run_options {
  uint64_t struct_size;
  uint64_t timeout; /* nanoseconds of monotonic time that this run may take; 0: no limit */
} apus_run_options;

APUS_API void apus_run_options_init(apus_run_options *options, size_t size);

/* Runs the model once, on the calling thread and those of the pool; returns when all is done. `options` may be NULL. The
 * same model and input give the same bits on every number of threads and every instruction set. The thread's floating-point
 * mode is set, and the caller's restored. Where apus_session_info.is_allocation_free is 1, it allocates nothing. [one]
 *
 * APUS_ERROR_NOT_PREPARED. APUS_ERROR_CANCELLED: by apus_session_cancel. APUS_ERROR_DEADLINE_EXCEEDED: found at the next
 * step or chunk of a step after the timeout. APUS_ERROR_VALUE_OUT_OF_RANGE: data that an operator can not take. After a failure
 * outputs are undefined, states are those of before the run, and the session can run again. */
APUS_API int32_t apus_session_run(apus_session *session, const apus_run_options *options, apus_error *error);

/* Asks the run in flight to stop at the next step or chunk of a step, and returns at once. Without a run in flight it does
 * nothing, now or later. *was_running (may be NULL) tells which. Safe from any thread and from signal handlers, as long as
 * apus_session_destroy has not been called. [any] */
APUS_API int32_t apus_session_cancel(apus_session *session, uint32_t *was_running, apus_error *error);

/* Sets all states to their initial values: the next run starts a new sequence. [one] APUS_ERROR_NOT_PREPARED. */
APUS_API int32_t apus_session_reset(apus_session *session, apus_error *error);

/* What a node took in the last run. */
typedef struct apus_profile_entry {
  uint64_t struct_size;
  const char *node;          /* with what was fused into it: "conv1 (ai.onnx.Conv-22) + relu" */
  const char *operator_kind; /* "Conv"; "Copy" for what copies outputs and states at the end */
  uint64_t nanoseconds;
  uint32_t step_count; /* that the node became */
  uint32_t reserved;
} apus_profile_entry;

APUS_API void apus_profile_entry_init(apus_profile_entry *entry, size_t size);

/* Sets *count to the entries of the last run; 0 before prepare or without apus_session_options.profile. [one] */
APUS_API int32_t apus_session_profile_count(apus_session *session, uint32_t *count, apus_error *error);

/* The nodes in the order in which they run. Strings live until the next prepare or destroy.
 * [one] APUS_ERROR_INDEX_OUT_OF_RANGE. */
APUS_API int32_t apus_session_profile(apus_session *session, uint32_t index, apus_profile_entry *entry, apus_error *error);

/* ============================================================ Self test */

typedef struct apus_self_test_info {
  uint64_t struct_size;
  uint32_t vector_count;        /* test vectors in the file */
  uint32_t output_count;        /* outputs compared */
  uint32_t failed_output_count; /* those with an element outside of its vector's tolerance */
  uint32_t reserved;
  double largest_difference; /* |actual - expected| over all elements of all outputs */
} apus_self_test_info;

APUS_API void apus_self_test_info_init(apus_self_test_info *info, size_t size);

/* Runs the model on the inputs that its file holds and compares the outputs with those that the model's source gave. `pool` and
 * `info` may be NULL; `info` is written on APUS_ERROR_SELF_TEST_FAILED, too. [any] Takes the memory of one session meanwhile.
 * APUS_ERROR_SELF_TEST_FAILED: the error names the vector and the output. APUS_ERROR_UNSUPPORTED: the model was loaded with
 * quantized_ports and has some, while test vectors are for the declared ones. A model without test vectors passes, with
 * vector_count 0. */
APUS_API int32_t apus_model_self_test(apus_model *model, apus_pool *pool, apus_self_test_info *info, apus_error *error);

#ifdef __cplusplus
}
#endif

#endif
