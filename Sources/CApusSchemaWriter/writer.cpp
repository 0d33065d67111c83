#include "apusw.h"

#include <new>
#include <utility>

#include "apus_generated.h"

namespace schema = apus::schema;
using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;
using flatbuffers::String;
using flatbuffers::Vector;

struct apusw_builder {
  FlatBufferBuilder fbb;
  bool failed = false;

  // Whether `bytes` more still fit. The library only asserts its limit, so every function asks here first.
  bool has_room(uint64_t bytes) {
    if (failed || bytes > APUSW_MAXIMUM_BYTES || fbb.GetSize() + bytes > APUSW_MAXIMUM_BYTES) failed = true;
    return !failed;
  }
};

namespace {

// More than any table of the schema takes, with its vtable and padding.
constexpr uint64_t table_bytes = 256;

// Runs `make` if the builder has room for `bytes` more; a failed allocation marks the builder instead of leaving C++.
template <typename Make>
apusw_place place(apusw_builder *builder, uint64_t bytes, Make make) noexcept {
  if (!builder->has_room(bytes + table_bytes)) return 0;
  try {
    return make(builder->fbb).o;
  } catch (...) {
    builder->failed = true;
    return 0;
  }
}

template <typename Make>
apusw_place table(apusw_builder *builder, Make make) noexcept {
  return place(builder, 0, std::move(make));
}

// A table that is a member of a union.
template <typename Kind, typename Make>
apusw_union member(apusw_builder *builder, Kind kind, Make make) noexcept {
  return {static_cast<int32_t>(kind), table(builder, std::move(make))};
}

template <typename T>
Offset<T> at(apusw_place place) {
  return Offset<T>(place);
}

template <typename T>
Offset<Vector<Offset<T>>> tables(apusw_place place) {
  return Offset<Vector<Offset<T>>>(place);
}

schema::ElementType element(int32_t number) { return static_cast<schema::ElementType>(number); }

}  // namespace

apusw_builder *apusw_create(void) { return new (std::nothrow) apusw_builder(); }

void apusw_destroy(apusw_builder *builder) { delete builder; }

apusw_place apusw_string(apusw_builder *builder, const uint8_t *bytes, size_t count) {
  return place(builder, count, [&](auto &fbb) {
    return fbb.CreateString(count ? reinterpret_cast<const char *>(bytes) : "", count);
  });
}

apusw_place apusw_bytes(apusw_builder *builder, const uint8_t *bytes, size_t count) {
  return place(builder, count, [&](auto &fbb) { return fbb.CreateVector(bytes, count); });
}

apusw_place apusw_aligned_bytes(apusw_builder *builder, const uint8_t *bytes, size_t count) {
  return place(builder, count, [&](auto &fbb) {
    fbb.ForceVectorAlignment(count, sizeof(uint8_t), 16);
    return fbb.CreateVector(bytes, count);
  });
}

apusw_place apusw_int32s(apusw_builder *builder, const int32_t *values, size_t count) {
  return place(builder, uint64_t(count) * 4, [&](auto &fbb) { return fbb.CreateVector(values, count); });
}

apusw_place apusw_int64s(apusw_builder *builder, const int64_t *values, size_t count) {
  return place(builder, uint64_t(count) * 8, [&](auto &fbb) { return fbb.CreateVector(values, count); });
}

apusw_place apusw_floats(apusw_builder *builder, const float *values, size_t count) {
  return place(builder, uint64_t(count) * 4, [&](auto &fbb) { return fbb.CreateVector(values, count); });
}

apusw_place apusw_places(apusw_builder *builder, const apusw_place *places, size_t count) {
  return place(builder, uint64_t(count) * 4, [&](auto &fbb) {
    fbb.StartVector(count, sizeof(flatbuffers::uoffset_t));
    for (size_t i = count; i > 0; --i) fbb.PushElement(Offset<void>(places[i - 1]));
    return Offset<void>(fbb.EndVector(count));
  });
}

apusw_place apusw_captures(apusw_builder *builder, const int32_t *pairs, size_t count) {
  return place(builder, uint64_t(count) * sizeof(schema::Capture), [&](auto &fbb) {
    schema::Capture *captures = nullptr;
    auto vector = fbb.template CreateUninitializedVectorOfStructs<schema::Capture>(count, &captures);
    for (size_t i = 0; i < count; ++i) captures[i] = schema::Capture(pairs[2 * i], pairs[2 * i + 1]);
    return vector;
  });
}

apusw_place apusw_symbol(apusw_builder *builder, apusw_place name, int64_t minimum, int64_t maximum, int64_t multiple) {
  return table(builder, [&](auto &fbb) {
    auto bound = maximum < 0 ? flatbuffers::Optional<int64_t>() : flatbuffers::Optional<int64_t>(maximum);
    return schema::CreateSymbol(fbb, at<String>(name), minimum, bound, multiple);
  });
}

apusw_place apusw_quantization(apusw_builder *builder, int32_t scale, int32_t zero_point, int32_t axis, int64_t block_size) {
  return table(builder, [&](auto &fbb) { return schema::CreateQuantization(fbb, scale, zero_point, axis, block_size); });
}

apusw_union apusw_tensor_type(apusw_builder *builder, int32_t element_type, apusw_place dimensions, apusw_place quantization) {
  return member(builder, schema::ValueType::TensorType, [&](auto &fbb) {
    return schema::CreateTensorType(
        fbb, element(element_type), at<Vector<int64_t>>(dimensions), at<schema::Quantization>(quantization));
  });
}

apusw_union apusw_sequence_type(apusw_builder *builder, apusw_union type) {
  return member(builder, schema::ValueType::SequenceType, [&](auto &fbb) {
    return schema::CreateSequenceType(fbb, static_cast<schema::ValueType>(type.kind), at<void>(type.place));
  });
}

apusw_union apusw_optional_type(apusw_builder *builder, apusw_union type) {
  return member(builder, schema::ValueType::OptionalType, [&](auto &fbb) {
    return schema::CreateOptionalType(fbb, static_cast<schema::ValueType>(type.kind), at<void>(type.place));
  });
}

apusw_union apusw_map_type(apusw_builder *builder, int32_t key, apusw_union value) {
  return member(builder, schema::ValueType::MapType, [&](auto &fbb) {
    return schema::CreateMapType(fbb, element(key), static_cast<schema::ValueType>(value.kind), at<void>(value.place));
  });
}

apusw_union apusw_inline_data(apusw_builder *builder, apusw_place aligned_bytes) {
  return member(builder, schema::TensorData::InlineData, [&](auto &fbb) {
    return schema::CreateInlineData(fbb, at<Vector<uint8_t>>(aligned_bytes));
  });
}

apusw_union apusw_segment_data(apusw_builder *builder, uint32_t segment, uint64_t offset, uint64_t length) {
  return member(builder, schema::TensorData::SegmentData, [&](auto &fbb) {
    return schema::CreateSegmentData(fbb, segment, offset, length);
  });
}

apusw_place apusw_tensor(
    apusw_builder *builder, apusw_place name, int32_t element_type, apusw_place dimensions, apusw_union data,
    apusw_place quantization) {
  return table(builder, [&](auto &fbb) {
    return schema::CreateTensor(
        fbb, at<String>(name), element(element_type), at<Vector<int64_t>>(dimensions),
        static_cast<schema::TensorData>(data.kind), at<void>(data.place), at<schema::Quantization>(quantization));
  });
}

apusw_place apusw_operator(apusw_builder *builder, apusw_place domain, apusw_place name, int32_t since_version) {
  return table(builder, [&](auto &fbb) {
    return schema::CreateOperator(fbb, at<String>(domain), at<String>(name), since_version);
  });
}

apusw_union apusw_int_attribute(apusw_builder *builder, int64_t value) {
  return member(builder, schema::AttributeValue::IntAttribute, [&](auto &fbb) {
    return schema::CreateIntAttribute(fbb, value);
  });
}

apusw_union apusw_float_attribute(apusw_builder *builder, float value) {
  return member(builder, schema::AttributeValue::FloatAttribute, [&](auto &fbb) {
    // A default is left out by comparing with ==, which would lose the sign of -0: write it whatever it is.
    fbb.ForceDefaults(true);
    auto attribute = schema::CreateFloatAttribute(fbb, value);
    fbb.ForceDefaults(false);
    return attribute;
  });
}

apusw_union apusw_string_attribute(apusw_builder *builder, apusw_place value) {
  return member(builder, schema::AttributeValue::StringAttribute, [&](auto &fbb) {
    return schema::CreateStringAttribute(fbb, at<String>(value));
  });
}

apusw_union apusw_tensor_attribute(apusw_builder *builder, int32_t tensor) {
  return member(builder, schema::AttributeValue::TensorAttribute, [&](auto &fbb) {
    return schema::CreateTensorAttribute(fbb, tensor);
  });
}

apusw_union apusw_graph_attribute(apusw_builder *builder, int32_t graph) {
  return member(builder, schema::AttributeValue::GraphAttribute, [&](auto &fbb) {
    return schema::CreateGraphAttribute(fbb, graph);
  });
}

apusw_union apusw_ints_attribute(apusw_builder *builder, apusw_place values) {
  return member(builder, schema::AttributeValue::IntsAttribute, [&](auto &fbb) {
    return schema::CreateIntsAttribute(fbb, at<Vector<int64_t>>(values));
  });
}

apusw_union apusw_floats_attribute(apusw_builder *builder, apusw_place values) {
  return member(builder, schema::AttributeValue::FloatsAttribute, [&](auto &fbb) {
    return schema::CreateFloatsAttribute(fbb, at<Vector<float>>(values));
  });
}

apusw_union apusw_strings_attribute(apusw_builder *builder, apusw_place values) {
  return member(builder, schema::AttributeValue::StringsAttribute, [&](auto &fbb) {
    return schema::CreateStringsAttribute(fbb, tables<String>(values));
  });
}

apusw_union apusw_tensors_attribute(apusw_builder *builder, apusw_place tensors) {
  return member(builder, schema::AttributeValue::TensorsAttribute, [&](auto &fbb) {
    return schema::CreateTensorsAttribute(fbb, at<Vector<int32_t>>(tensors));
  });
}

apusw_union apusw_graphs_attribute(apusw_builder *builder, apusw_place graphs) {
  return member(builder, schema::AttributeValue::GraphsAttribute, [&](auto &fbb) {
    return schema::CreateGraphsAttribute(fbb, at<Vector<int32_t>>(graphs));
  });
}

apusw_union apusw_type_attribute(apusw_builder *builder, apusw_union type) {
  return member(builder, schema::AttributeValue::TypeAttribute, [&](auto &fbb) {
    return schema::CreateTypeAttribute(fbb, static_cast<schema::ValueType>(type.kind), at<void>(type.place));
  });
}

apusw_place apusw_attribute(apusw_builder *builder, apusw_place name, apusw_union value) {
  return table(builder, [&](auto &fbb) {
    return schema::CreateAttribute(
        fbb, at<String>(name), static_cast<schema::AttributeValue>(value.kind), at<void>(value.place));
  });
}

apusw_place apusw_value(apusw_builder *builder, apusw_place name, apusw_union type, int32_t constant) {
  return table(builder, [&](auto &fbb) {
    return schema::CreateValue(
        fbb, at<String>(name), static_cast<schema::ValueType>(type.kind), at<void>(type.place), constant);
  });
}

apusw_place apusw_node(
    apusw_builder *builder, apusw_place name, uint32_t operator_index, apusw_place inputs, apusw_place outputs,
    apusw_place attributes) {
  return table(builder, [&](auto &fbb) {
    return schema::CreateNode(
        fbb, at<String>(name), operator_index, at<Vector<int32_t>>(inputs), at<Vector<int32_t>>(outputs),
        tables<schema::Attribute>(attributes));
  });
}

apusw_place apusw_graph(
    apusw_builder *builder, apusw_place name, int32_t parent, apusw_place values, apusw_place nodes, apusw_place inputs,
    apusw_place outputs, apusw_place captures) {
  return table(builder, [&](auto &fbb) {
    return schema::CreateGraph(
        fbb, at<String>(name), parent, tables<schema::Value>(values), tables<schema::Node>(nodes),
        at<Vector<int32_t>>(inputs), at<Vector<int32_t>>(outputs), at<Vector<const schema::Capture *>>(captures));
  });
}

apusw_place apusw_state(apusw_builder *builder, apusw_place name, int32_t input, int32_t output, int32_t initial) {
  return table(builder, [&](auto &fbb) { return schema::CreateState(fbb, at<String>(name), input, output, initial); });
}

apusw_place apusw_signature(
    apusw_builder *builder, apusw_place name, apusw_place inputs, apusw_place outputs, apusw_place states) {
  return table(builder, [&](auto &fbb) {
    return schema::CreateSignature(
        fbb, at<String>(name), at<Vector<int32_t>>(inputs), at<Vector<int32_t>>(outputs), tables<schema::State>(states));
  });
}

apusw_place apusw_needs(
    apusw_builder *builder, uint64_t flops, uint64_t live_bytes, uint16_t major, uint16_t minor, uint16_t patch) {
  return table(builder, [&](auto &fbb) {
    const schema::Version version(major, minor, patch);
    return schema::CreateNeeds(fbb, flops, live_bytes, &version);
  });
}

apusw_place apusw_metadata_entry(apusw_builder *builder, apusw_place key, apusw_place value) {
  return table(builder, [&](auto &fbb) {
    return schema::CreateMetadataEntry(fbb, at<String>(key), at<String>(value));
  });
}

apusw_place apusw_provenance(
    apusw_builder *builder, apusw_place producer, apusw_place source_hash, apusw_place quantization_method,
    apusw_place calibration_hash) {
  return table(builder, [&](auto &fbb) {
    return schema::CreateProvenance(
        fbb, at<String>(producer), at<Vector<uint8_t>>(source_hash), at<String>(quantization_method),
        at<Vector<uint8_t>>(calibration_hash));
  });
}

apusw_place apusw_test_tensor(apusw_builder *builder, apusw_place name, apusw_place tensor) {
  return table(builder, [&](auto &fbb) {
    return schema::CreateTestTensor(fbb, at<String>(name), at<schema::Tensor>(tensor));
  });
}

apusw_place apusw_test_vector(
    apusw_builder *builder, apusw_place name, apusw_place inputs, apusw_place outputs, float absolute_tolerance,
    float relative_tolerance) {
  return table(builder, [&](auto &fbb) {
    return schema::CreateTestVector(
        fbb, at<String>(name), tables<schema::TestTensor>(inputs), tables<schema::TestTensor>(outputs), absolute_tolerance,
        relative_tolerance);
  });
}

const uint8_t *apusw_finish_model(
    apusw_builder *builder, apusw_place symbols, apusw_place operators, apusw_place tensors, apusw_place graphs,
    apusw_place signatures, apusw_place needs, size_t *count) {
  table(builder, [&](auto &fbb) {
    auto model = schema::CreateModel(
        fbb, tables<schema::Symbol>(symbols), tables<schema::Operator>(operators), tables<schema::Tensor>(tensors),
        tables<schema::Graph>(graphs), tables<schema::Signature>(signatures), at<schema::Needs>(needs));
    fbb.Finish(model, "APUS");
    return model;
  });
  if (builder->failed) return nullptr;
  *count = builder->fbb.GetSize();
  return builder->fbb.GetBufferPointer();
}

const uint8_t *apusw_finish_metadata(
    apusw_builder *builder, apusw_place entries, apusw_place provenance, apusw_place test_vectors, size_t *count) {
  table(builder, [&](auto &fbb) {
    auto metadata = schema::CreateMetadata(
        fbb, tables<schema::MetadataEntry>(entries), at<schema::Provenance>(provenance),
        tables<schema::TestVector>(test_vectors));
    fbb.Finish(metadata, "APUM");
    return metadata;
  });
  if (builder->failed) return nullptr;
  *count = builder->fbb.GetSize();
  return builder->fbb.GetBufferPointer();
}

namespace {

template <typename Root>
int32_t verify(const uint8_t *bytes, size_t count, const char *identifier) {
  // The library's verifier only asserts these two.
  if (count < 8 || count >= FLATBUFFERS_MAX_BUFFER_SIZE) return 0;
  flatbuffers::Verifier verifier(bytes, count, /*max_depth=*/64, /*max_tables=*/1u << 30);
  return verifier.VerifyBuffer<Root>(identifier) ? 1 : 0;
}

}  // namespace

int32_t apusw_verify_model(const uint8_t *bytes, size_t count) { return verify<schema::Model>(bytes, count, "APUS"); }

int32_t apusw_verify_metadata(const uint8_t *bytes, size_t count) {
  return verify<schema::Metadata>(bytes, count, "APUM");
}
