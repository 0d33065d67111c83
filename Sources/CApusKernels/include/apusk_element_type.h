// Element types that kernels know, with ONNX's numbers (the same as ApusGraph.ElementType).
#ifndef APUSK_ELEMENT_TYPE_H
#define APUSK_ELEMENT_TYPE_H

#define APUSK_FLOAT32 1
#define APUSK_UINT8 2
#define APUSK_INT8 3
#define APUSK_UINT16 4
#define APUSK_INT16 5
#define APUSK_INT32 6
#define APUSK_INT64 7
#define APUSK_BOOL 9  // one byte, 0 or 1
#define APUSK_FLOAT16 10
#define APUSK_FLOAT64 11
#define APUSK_UINT32 12
#define APUSK_UINT64 13
#define APUSK_COMPLEX64 14
#define APUSK_COMPLEX128 15
#define APUSK_BFLOAT16 16
#define APUSK_FLOAT8E4M3FN 17
#define APUSK_FLOAT8E4M3FNUZ 18
#define APUSK_FLOAT8E5M2 19
#define APUSK_FLOAT8E5M2FNUZ 20
#define APUSK_UINT4 21
#define APUSK_INT4 22
#define APUSK_FLOAT4E2M1 23
#define APUSK_FLOAT8E8M0 24
#define APUSK_UINT2 25
#define APUSK_INT2 26

#endif
