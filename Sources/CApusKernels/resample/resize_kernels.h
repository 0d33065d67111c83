// Template: the Resize kernels of one level.
#include "resize_level.h"

// Rounded to nearest even by adding what leaves no room for a fraction, then clamped; NaN gives `low`.
#define ROUNDED(x, magic, low, high) ((x) >= (high) ? (high) : (x) > (low) ? ((x) + (magic)) - (magic) : (low))

#define NAME APUSK_ISA_NAME(resize_f32)
#define ELEMENT float
#define SUM float
#define WEIGHT single
#define TO_ELEMENT(x) (x)
#define IS_SAME 1
#include "resize_rows.h"

#define NAME APUSK_ISA_NAME(resize_u8)
#define ELEMENT uint8_t
#define SUM float
#define WEIGHT single
#define TO_ELEMENT(x) (uint8_t)(int32_t)ROUNDED(x, 0x1.8p23f, 0.0f, 255.0f)
#define IS_SAME 0
#include "resize_rows.h"

#define NAME APUSK_ISA_NAME(resize_i8)
#define ELEMENT int8_t
#define SUM float
#define WEIGHT single
#define TO_ELEMENT(x) (int8_t)(int32_t)ROUNDED(x, 0x1.8p23f, -128.0f, 127.0f)
#define IS_SAME 0
#include "resize_rows.h"
