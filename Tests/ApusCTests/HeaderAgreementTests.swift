import ApusGraph
import CApus
import Testing

@testable import ApusC

/// What is written twice, in include/apus.h and in Swift, says the same.
@Suite struct HeaderAgreementTests {
  @Test func statusNumbers() {
    let table: [(Int32, ApusError.Status)] = [
      (APUS_ERROR_INVALID_ARGUMENT, .invalidArgument), (APUS_ERROR_NULL_POINTER, .nullPointer),
      (APUS_ERROR_STRUCT_SIZE, .structSize), (APUS_ERROR_UNKNOWN_NAME, .unknownName),
      (APUS_ERROR_INDEX_OUT_OF_RANGE, .indexOutOfRange), (APUS_ERROR_TYPE_MISMATCH, .typeMismatch),
      (APUS_ERROR_SHAPE_MISMATCH, .shapeMismatch), (APUS_ERROR_BUFFER_TOO_SMALL, .bufferTooSmall),
      (APUS_ERROR_NOT_PREPARED, .notPrepared), (APUS_ERROR_BUSY, .busy), (APUS_ERROR_CANCELLED, .cancelled),
      (APUS_ERROR_DEADLINE_EXCEEDED, .deadlineExceeded), (APUS_ERROR_NOT_BOUND, .notBound),
      (APUS_ERROR_OUT_OF_MEMORY, .outOfMemory), (APUS_ERROR_LIMIT_EXCEEDED, .limitExceeded), (APUS_ERROR_IO, .inputOutput),
      (APUS_ERROR_FILE_NOT_FOUND, .fileNotFound), (APUS_ERROR_THREAD_CREATION, .threadCreation),
      (APUS_ERROR_NOT_APUS_FILE, .notApusFile), (APUS_ERROR_UNSUPPORTED_VERSION, .unsupportedVersion),
      (APUS_ERROR_UNSUPPORTED_FEATURE, .unsupportedFeature), (APUS_ERROR_TRUNCATED, .truncated),
      (APUS_ERROR_CHECKSUM_MISMATCH, .checksumMismatch), (APUS_ERROR_MALFORMED, .malformed),
      (APUS_ERROR_DECOMPRESSION, .decompression), (APUS_ERROR_INVALID_MODEL, .invalidModel),
      (APUS_ERROR_UNSUPPORTED_OPERATOR, .unsupportedOperator), (APUS_ERROR_UNSUPPORTED_TYPE, .unsupportedType),
      (APUS_ERROR_INVALID_ATTRIBUTE, .invalidAttribute), (APUS_ERROR_SHAPE_INFERENCE, .shapeInference),
      (APUS_ERROR_UNSUPPORTED, .unsupported), (APUS_ERROR_VALUE_OUT_OF_RANGE, .valueOutOfRange),
      (APUS_ERROR_SELF_TEST_FAILED, .selfTestFailed), (APUS_ERROR_INTERNAL, .internal),
    ]
    for (number, status) in table { #expect(number == status.rawValue) }
    for number in Int32(1)...1000 where ApusError.Status(rawValue: number) != nil {
      #expect(table.contains { $0.0 == number }, "\(number) is not in the header")
    }
  }

  @Test func elementTypeNumbers() {
    let table: [(Int32, ElementType)] = [
      (APUS_TYPE_FLOAT32, .float32), (APUS_TYPE_UINT8, .uint8), (APUS_TYPE_INT8, .int8), (APUS_TYPE_UINT16, .uint16),
      (APUS_TYPE_INT16, .int16), (APUS_TYPE_INT32, .int32), (APUS_TYPE_INT64, .int64), (APUS_TYPE_STRING, .string),
      (APUS_TYPE_BOOL, .bool), (APUS_TYPE_FLOAT16, .float16), (APUS_TYPE_FLOAT64, .float64), (APUS_TYPE_UINT32, .uint32),
      (APUS_TYPE_UINT64, .uint64), (APUS_TYPE_COMPLEX64, .complex64), (APUS_TYPE_COMPLEX128, .complex128),
      (APUS_TYPE_BFLOAT16, .bfloat16), (APUS_TYPE_FLOAT8E4M3FN, .float8e4m3fn), (APUS_TYPE_FLOAT8E4M3FNUZ, .float8e4m3fnuz),
      (APUS_TYPE_FLOAT8E5M2, .float8e5m2), (APUS_TYPE_FLOAT8E5M2FNUZ, .float8e5m2fnuz), (APUS_TYPE_UINT4, .uint4),
      (APUS_TYPE_INT4, .int4), (APUS_TYPE_FLOAT4E2M1, .float4e2m1), (APUS_TYPE_FLOAT8E8M0, .float8e8m0),
      (APUS_TYPE_UINT2, .uint2), (APUS_TYPE_INT2, .int2),
    ]
    for (number, type) in table { #expect(number == type.rawValue) }
    #expect(table.count == ElementType.allCases.count)
  }

  @Test func version() {
    #expect(String(cString: apus_version_string()) == APUS_VERSION_STRING)
    #expect(apus_version() == UInt32(APUS_VERSION))
  }

  /// A structure may grow, but its first published size stays what callers of that time have.
  @Test func firstSizesAreThoseOfVersion0() {
    func check<T: SizedStruct>(_: T.Type) { #expect(MemoryLayout<T>.size == T.firstSize, "\(T.self)") }
    check(apus_build_info.self)
    check(apus_cpu_info.self)
    check(apus_allocator.self)
    check(apus_limits.self)
    check(apus_load_options.self)
    check(apus_model_info.self)
    check(apus_tensor_info.self)
    check(apus_state_info.self)
    check(apus_operator_info.self)
    check(apus_memory_info.self)
    check(apus_pool_options.self)
    check(apus_parallel_for.self)
    check(apus_session_options.self)
    check(apus_session_info.self)
    check(apus_run_options.self)
    check(apus_profile_entry.self)
    check(apus_self_test_info.self)
    #expect(MemoryLayout<apus_error>.size == 2064)
    #expect(MemoryLayout<apus_dimension>.size == 40)
    #expect(MemoryLayout<apus_shape>.size == 16)
  }
}
