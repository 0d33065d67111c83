import ApusGraph
import CApusPlatform

extension HostBinding {
  /// Between numbers and text: nodes that neither read nor make text are planned as kernels.
  static let cast = HostBinding("Cast") { context throws(ApusError) in try context.convertText() }
  static let castLike = HostBinding("CastLike") { context throws(ApusError) in try context.convertText() }
}

extension HostContext {
  fileprivate func convertText() throws(ApusError) {
    let source = try tensor(0)
    var rule = node.context
    try attributes.schema.infer(&rule)
    guard let target = rule.outputs.first??.tensor?.elementType else { throw error("the result has no element type") }
    if source.elementType == target { return setOutput(0, .tensor(source)) }
    if target == .string {
      setOutput(0, .tensor(try makeTensor(strings: try numbersAsText(source), source.extents)))
    } else {
      setOutput(0, .tensor(try numbers(source, target)))
    }
  }

  /// The shortest text that reads back as the same number.
  private func numbersAsText(_ source: RuntimeTensor) throws(ApusError) -> [[UInt8]] {
    let type = source.elementType
    let bytes = Array(source.bytes)
    if type == .bool, let values = type.integers(bytes) { return values.map { Array(($0 == 0 ? "False" : "True").utf8) } }
    if type == .uint64, let values = type.integers(bytes) { return values.map { Array("\(UInt64(bitPattern: $0))".utf8) } }
    if let values = type.integers(bytes) { return values.map { Array("\($0)".utf8) } }
    if type == .float64, let values = type.floats(bytes) { return values.map { Array("\($0)".utf8) } }
    if let values = type.floats(bytes) { return values.map { Array("\(Float($0))".utf8) } }
    throw error("elements of this type have no text", expected: "integers, floats or bool", actual: type.name.text)
  }

  /// The elements of a tensor of text as numbers. Integers are read whole; what has a fraction or an exponent loses the fraction.
  private func numbers(_ source: RuntimeTensor, _ target: ElementType) throws(ApusError) -> RuntimeTensor {
    let count = source.elementCount
    let isWhole = target.integers([]) != nil && target != .bool
    let wide = try makeTensor(isWhole ? .int64 : .float64, source.extents)
    for (index, text) in source.strings.enumerated() {
      if isWhole, let integer = HostContext.integer(text) {
        wide.mutableBytes.storeBytes(of: integer, toByteOffset: 8 * index, as: Int64.self)
        continue
      }
      var number = 0.0
      let status = text.withUnsafeBytes {
        apusp_number_from_text($0.baseAddress?.assumingMemoryBound(to: CChar.self), Int64($0.count), &number)
      }
      guard status == 0 else {
        throw error("text that is no number", expected: "a decimal number", actual: String(decoding: text, as: UTF8.self))
      }
      if isWhole {
        number.round(.towardZero)
        let integer = Int64(exactly: number) ?? (number > 0 ? Int64.max : number < 0 ? Int64.min : 0)
        wide.mutableBytes.storeBytes(of: integer, toByteOffset: 8 * index, as: Int64.self)
      } else {
        wide.mutableBytes.storeBytes(of: number, toByteOffset: 8 * index, as: Double.self)
      }
    }
    if wide.elementType == target { return wide }
    let result = try makeTensor(target, source.extents)
    try check(
      converting(
        UnsafeRawPointer(wide.mutableBytes.baseAddress), wide.elementType, result.mutableBytes.baseAddress, target,
        count: count, saturate: attributes.flag("saturate")))
    return result
  }

  /// An optional sign and digits; nil where the text is something else or too large. Values over Int64's range, up to
  /// UInt64's, wrap.
  private static func integer(_ text: [UInt8]) -> Int64? {
    let isNegative = text.first == UInt8(ascii: "-")
    let digits = isNegative || text.first == UInt8(ascii: "+") ? text.dropFirst() : text[...]
    guard !digits.isEmpty else { return nil }
    var magnitude: UInt64 = 0
    for digit in digits {
      guard digit >= UInt8(ascii: "0"), digit <= UInt8(ascii: "9") else { return nil }
      let (product, overflow) = magnitude.multipliedReportingOverflow(by: 10)
      let (sum, overflow2) = product.addingReportingOverflow(UInt64(digit - UInt8(ascii: "0")))
      guard !overflow, !overflow2 else { return nil }
      magnitude = sum
    }
    return Int64(bitPattern: isNegative ? 0 &- magnitude : magnitude)
  }
}
