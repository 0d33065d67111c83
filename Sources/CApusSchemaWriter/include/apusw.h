// Builds and checks the FlatBuffers of schemas/apus.fbs through the FlatBuffers library, for Swift, which can not use its
// C++ builder directly. Objects are made from the leaves up: each function returns the place of what it wrote, to be handed
// to the function that makes the object above. Place 0 stands for an absent string, vector or table.
//
// A builder is used by one thread at a time. When memory or the size limit of a FlatBuffer runs out, functions return 0, the
// builder is marked as failed, and apusw_finish_* returns NULL.
#ifndef APUSW_H
#define APUSW_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct apusw_builder apusw_builder;
typedef uint32_t apusw_place;

// A union member: its number in the schema (0: absent) and its place.
typedef struct apusw_union {
  int32_t kind;
  apusw_place place;
} apusw_union;

// The largest buffer a builder makes: the limit of FlatBuffers, less room for what one call adds.
#define APUSW_MAXIMUM_BYTES ((uint64_t)0x7fff0000)

apusw_builder *apusw_create(void);
void apusw_destroy(apusw_builder *builder);

apusw_place apusw_string(apusw_builder *builder, const uint8_t *bytes, size_t count);
apusw_place apusw_bytes(apusw_builder *builder, const uint8_t *bytes, size_t count);
// A vector of bytes aligned to 16, as InlineData needs it.
apusw_place apusw_aligned_bytes(apusw_builder *builder, const uint8_t *bytes, size_t count);
apusw_place apusw_int32s(apusw_builder *builder, const int32_t *values, size_t count);
apusw_place apusw_int64s(apusw_builder *builder, const int64_t *values, size_t count);
apusw_place apusw_floats(apusw_builder *builder, const float *values, size_t count);
// A vector of tables or of strings.
apusw_place apusw_places(apusw_builder *builder, const apusw_place *places, size_t count);
// `pairs` holds inner, outer, inner, outer, ...
apusw_place apusw_captures(apusw_builder *builder, const int32_t *pairs, size_t count);

// maximum: -1 for none.
apusw_place apusw_symbol(apusw_builder *builder, apusw_place name, int64_t minimum, int64_t maximum, int64_t multiple);
apusw_place apusw_quantization(apusw_builder *builder, int32_t scale, int32_t zero_point, int32_t axis, int64_t block_size);

apusw_union apusw_tensor_type(apusw_builder *builder, int32_t element_type, apusw_place dimensions, apusw_place quantization);
apusw_union apusw_sequence_type(apusw_builder *builder, apusw_union element);
apusw_union apusw_optional_type(apusw_builder *builder, apusw_union element);
apusw_union apusw_map_type(apusw_builder *builder, int32_t key, apusw_union value);

apusw_union apusw_inline_data(apusw_builder *builder, apusw_place aligned_bytes);
apusw_union apusw_segment_data(apusw_builder *builder, uint32_t segment, uint64_t offset, uint64_t length);
apusw_place apusw_tensor(
    apusw_builder *builder, apusw_place name, int32_t element_type, apusw_place dimensions, apusw_union data,
    apusw_place quantization);

apusw_place apusw_operator(apusw_builder *builder, apusw_place domain, apusw_place name, int32_t since_version);
apusw_union apusw_int_attribute(apusw_builder *builder, int64_t value);
apusw_union apusw_float_attribute(apusw_builder *builder, float value);
apusw_union apusw_string_attribute(apusw_builder *builder, apusw_place value);
apusw_union apusw_tensor_attribute(apusw_builder *builder, int32_t tensor);
apusw_union apusw_graph_attribute(apusw_builder *builder, int32_t graph);
apusw_union apusw_ints_attribute(apusw_builder *builder, apusw_place values);
apusw_union apusw_floats_attribute(apusw_builder *builder, apusw_place values);
apusw_union apusw_strings_attribute(apusw_builder *builder, apusw_place values);
apusw_union apusw_tensors_attribute(apusw_builder *builder, apusw_place tensors);
apusw_union apusw_graphs_attribute(apusw_builder *builder, apusw_place graphs);
apusw_union apusw_type_attribute(apusw_builder *builder, apusw_union type);
apusw_place apusw_attribute(apusw_builder *builder, apusw_place name, apusw_union value);

apusw_place apusw_value(apusw_builder *builder, apusw_place name, apusw_union type, int32_t constant);
apusw_place apusw_node(
    apusw_builder *builder, apusw_place name, uint32_t operator_index, apusw_place inputs, apusw_place outputs,
    apusw_place attributes);
apusw_place apusw_graph(
    apusw_builder *builder, apusw_place name, int32_t parent, apusw_place values, apusw_place nodes, apusw_place inputs,
    apusw_place outputs, apusw_place captures);
apusw_place apusw_state(apusw_builder *builder, apusw_place name, int32_t input, int32_t output, int32_t initial);
apusw_place apusw_signature(
    apusw_builder *builder, apusw_place name, apusw_place inputs, apusw_place outputs, apusw_place states);
apusw_place apusw_needs(
    apusw_builder *builder, uint64_t flops, uint64_t live_bytes, uint16_t major, uint16_t minor, uint16_t patch);

apusw_place apusw_metadata_entry(apusw_builder *builder, apusw_place key, apusw_place value);
apusw_place apusw_provenance(
    apusw_builder *builder, apusw_place producer, apusw_place source_hash, apusw_place quantization_method,
    apusw_place calibration_hash);
apusw_place apusw_test_tensor(apusw_builder *builder, apusw_place name, apusw_place tensor);
apusw_place apusw_test_vector(
    apusw_builder *builder, apusw_place name, apusw_place inputs, apusw_place outputs, float absolute_tolerance,
    float relative_tolerance);

// Ends the buffer. The bytes belong to the builder and live until it is destroyed; NULL if the builder has failed.
const uint8_t *apusw_finish_model(
    apusw_builder *builder, apusw_place symbols, apusw_place operators, apusw_place tensors, apusw_place graphs,
    apusw_place signatures, apusw_place needs, size_t *count);
const uint8_t *apusw_finish_metadata(
    apusw_builder *builder, apusw_place entries, apusw_place provenance, apusw_place test_vectors, size_t *count);

// What FlatBuffers' own verifier says of a buffer (1: accepted): the oracle that the Swift reader is tested against.
// `bytes` is aligned to 16.
int32_t apusw_verify_model(const uint8_t *bytes, size_t count);
int32_t apusw_verify_metadata(const uint8_t *bytes, size_t count);

#ifdef __cplusplus
}
#endif
#endif
