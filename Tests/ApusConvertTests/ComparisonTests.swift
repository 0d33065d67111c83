import ApusGraph
import Testing

@testable import ApusConvert

@Suite struct ComparisonTests {
  private func floats(_ values: [Float], _ dimensions: [Int]? = nil) -> StoredValue {
    .tensor(
      NpyArray(
        elementType: .float32, dimensions: dimensions ?? [values.count], bytes: values.withUnsafeBytes { Array($0) }))
  }

  private func compare(
    _ expected: StoredValue, _ actual: StoredValue, absolute: Double = 0, relative: Double = 0
  ) -> Comparison {
    Comparison(
      name: "y", expected: expected, actual: actual, tolerance: .init(absolute: absolute, relative: relative))
  }

  @Test func errorsAreOfTheWorstElement() {
    let result = compare(floats([1, -4, 0]), floats([1.5, -4.25, 0.125]), absolute: 0.125, relative: 0.0625)
    #expect(result.absoluteError == 0.5)
    #expect(result.relativeError == 0.5)
    #expect(result.errorOfRange == 0.125)
    #expect(result.failures == 1)
    #expect(!result.agrees)
    // (1 * 1.5 + 4 * 4.25) / (sqrt(17) sqrt(1.5^2 + 4.25^2 + 0.125^2))
    #expect(abs(result.cosine - 18.5 / (17.0.squareRoot() * 20.328125.squareRoot())) < 1e-12)
  }

  @Test func whatIsNotFiniteAgreesWithItselfOnly() {
    let odd = floats([.nan, .infinity, -.infinity])
    #expect(compare(odd, odd).agrees)
    #expect(compare(odd, odd).cosine == 1)
    for wrong in [[Float(0), .infinity, -.infinity], [.nan, -.infinity, -.infinity], [.nan, .infinity, 1]] {
      let result = compare(odd, floats(wrong), absolute: 1e30)
      #expect(result.failures == 1)
      #expect(result.absoluteError == .infinity)
    }
  }

  @Test func shapesTypesAndKindsHaveToAgree() {
    #expect(compare(floats([1, 2]), floats([1, 2], [2, 1])).mismatch == "float32 [2, 1] in place of float32 [2]")
    let integers = StoredValue.tensor(NpyArray(elementType: .int32, dimensions: [1], bytes: [1, 0, 0, 0]))
    #expect(!compare(floats([1]), integers).agrees)
    let type = ValueType.tensor(TensorType(.float32, nil))
    let pair = StoredValue.sequence([floats([1]), floats([2, 3])], type)
    #expect(compare(pair, pair).agrees)
    #expect(compare(pair, pair).elements == 3)
    #expect(!compare(pair, .sequence([floats([1])], type)).agrees)
    #expect(compare(.absent(type), .absent(type)).agrees)
    #expect(!compare(.absent(type), floats([1])).agrees)
  }

  @Test func emptyValuesAgree() {
    let result = compare(floats([], [0, 3]), floats([], [0, 3]))
    #expect(result.agrees)
    #expect(result.elements == 0)
    #expect(result.cosine == 1)
  }

  @Test func stringsAreComparedAsBytes() throws {
    func strings(_ texts: [String]) throws -> StoredValue {
      let bytes = try encodedStrings(texts.map { Array($0.utf8) }, count: texts.count)
      return .tensor(NpyArray(elementType: .string, dimensions: [texts.count], bytes: bytes))
    }
    #expect(compare(try strings(["a", "", "é"]), try strings(["a", "", "é"])).agrees)
    #expect(compare(try strings(["a", "b"]), try strings(["a", "c"])).failures == 1)
  }

  /// The values of each format's codes by its definition: OCP 8-bit floating point (OFP8), and the fnuz forms of
  /// https://arxiv.org/abs/2206.02915.
  @Test(arguments: [
    (ElementType.float8e4m3fn, UInt8(0x7e), 448.0), (.float8e4m3fn, 0x01, 0x1p-9), (.float8e4m3fn, 0xb8, -1),
    (.float8e4m3fnuz, 0x7f, 240), (.float8e4m3fnuz, 0x40, 1), (.float8e5m2, 0x7b, 57344), (.float8e5m2, 0x01, 0x1p-16),
    (.float8e5m2, 0xfc, -.infinity), (.float8e5m2fnuz, 0x7f, 57344), (.float8e8m0, 0x7f, 1), (.float8e8m0, 0x00, 0x1p-127),
  ])
  func smallFloatsDecode(_ type: ElementType, _ code: UInt8, _ value: Double) throws {
    #expect(try NpyArray(elementType: type, dimensions: [1], bytes: [code]).doubles() == [value])
  }

  @Test func codesWithoutAValueAreNaN() throws {
    for (type, code) in [
      (ElementType.float8e4m3fn, UInt8(0x7f)), (.float8e4m3fn, 0xff), (.float8e4m3fnuz, 0x80), (.float8e5m2fnuz, 0x80),
      (.float8e5m2, 0x7d), (.float8e8m0, 0xff),
    ] { #expect(try NpyArray(elementType: type, dimensions: [1], bytes: [code]).doubles()[0].isNaN) }
  }

  @Test func packedElementsComeLowBitsFirst() throws {
    #expect(try NpyArray(elementType: .int4, dimensions: [3], bytes: [0x8f, 0x07]).doubles() == [-1, -8, 7])
    #expect(try NpyArray(elementType: .uint4, dimensions: [3], bytes: [0x8f, 0x07]).doubles() == [15, 8, 7])
    #expect(try NpyArray(elementType: .int2, dimensions: [4], bytes: [0b10_11_01_00]).doubles() == [0, 1, -1, -2])
    #expect(try NpyArray(elementType: .float4e2m1, dimensions: [4], bytes: [0x71, 0xf2]).doubles() == [0.5, 6, 1, -6])
  }
}
