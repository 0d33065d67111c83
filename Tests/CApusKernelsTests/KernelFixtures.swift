// What the tests of elementwise, reducing and moving kernels share: typed buffers, runs on every level, error in ulps.
import CApusKernels
import Foundation
import Testing

/// Elements at a fixed address between two guard zones, with their first contents kept for further runs.
final class KernelArray<Element: BitwiseCopyable> {
  private let base: UnsafeMutableRawPointer
  private let byteCount: Int
  private let initial: [Element]
  let elements: UnsafeMutablePointer<Element>
  private static var zone: Int { 256 }

  /// `offset` elements off the 64-byte alignment.
  init(_ values: [Element], offset: Int = 0) {
    initial = values
    byteCount = values.count * MemoryLayout<Element>.stride
    base = .allocate(byteCount: byteCount + 2 * Self.zone + 64, alignment: 64)
    memset(base, 0xA5, byteCount + 2 * Self.zone + 64)
    let start = base + Self.zone + offset * MemoryLayout<Element>.stride
    elements = start.bindMemory(to: Element.self, capacity: values.count)
    reset()
  }

  deinit { base.deallocate() }

  func reset() {
    for (i, value) in initial.enumerated() { elements[i] = value }
  }

  var count: Int { initial.count }
  var values: [Element] { (0..<count).map { elements[$0] } }

  var guardsIntact: Bool {
    let first = UnsafeRawPointer(elements) - UnsafeRawPointer(base)
    let bytes = UnsafeRawBufferPointer(start: base, count: byteCount + 2 * Self.zone + 64)
    return bytes[..<first].allSatisfy { $0 == 0xA5 } && bytes[(first + byteCount)...].allSatisfy { $0 == 0xA5 }
  }
}

/// The bytes of elements, every floating NaN as one.
func kernelBits<Element: BitwiseCopyable>(_ values: [Element]) -> [UInt8] {
  let canonical: [Element] = values.map { value in
    if let x = value as? Float, x.isNaN, let nan = Float.nan as? Element { return nan }
    if let x = value as? Double, x.isNaN, let nan = Double.nan as? Element { return nan }
    return value
  }
  return canonical.withUnsafeBytes { Array($0) }
}

/// Runs on each level, whole and cut at random places in random order, from the output's first contents each time; expects the
/// same bits of all and returns them.
func runEveryWay<Arguments, Element: BitwiseCopyable>(
  _ output: KernelArray<Element>, _ arguments: Arguments, _ random: inout ProductRandom, _ label: @autoclosure () -> String,
  sourceLocation: SourceLocation = #_sourceLocation, plan: (Int32, inout Arguments, inout apusk_plan) -> Int32
) -> [Element] {
  var first: [Element]?
  for level in productLevels {
    for whole in [true, false] {
      output.reset()
      var arguments = arguments
      var made = apusk_plan()
      #expect(plan(level, &arguments, &made) == 0, "\(label())", sourceLocation: sourceLocation)
      if made.units > 0 { #expect(made.grain > 0, "\(label())", sourceLocation: sourceLocation) }
      let (status, _) = runProduct(made, arguments, split: &random, whole: whole)
      #expect(status == 0, "\(label())", sourceLocation: sourceLocation)
      #expect(output.guardsIntact, "wrote beside its output: \(label())", sourceLocation: sourceLocation)
      let values = output.values
      if let first {
        #expect(
          kernelBits(first) == kernelBits(values), "level \(level), whole \(whole) differs: \(label())",
          sourceLocation: sourceLocation)
      } else {
        first = values
      }
    }
  }
  return first ?? []
}

/// The distance of `value` from `reference` in units of the last place of a float at the reference.
func ulps(_ value: Float, from reference: Double) -> Double {
  if value.isNaN || reference.isNaN { return value.isNaN && reference.isNaN ? 0 : .infinity }
  let rounded = Float(reference)
  if rounded.isInfinite || value.isInfinite { return rounded == value ? 0 : .infinity }
  let unit = reference == 0 ? 0x1p-149 : max(scalbn(1, Int(reference.exponent) - 23), 0x1p-149)
  return abs(Double(value) - reference) / unit
}

/// Every coordinate of a shape in row-major order.
func coordinates(_ shape: [Int]) -> [[Int]] {
  var all: [[Int]] = [[]]
  for extent in shape { all = all.flatMap { prefix in (0..<extent).map { prefix + [$0] } } }
  return all
}

/// The flat index of a coordinate in a dense tensor that broadcasts: aligned at the end, dimensions of 1 repeat.
func broadcastIndex(_ coordinate: [Int], in shape: [Int]) -> Int {
  let own = coordinate.suffix(shape.count)
  return zip(own, shape).reduce(0) { $0 * $1.1 + ($1.1 == 1 ? 0 : $1.0) }
}

/// The sum in the order of apusk_reduce.h.
func sumInLaneOrder<Number: FloatingPoint>(_ values: [Number]) -> Number {
  var lanes = [Number](repeating: 0, count: 16)
  for (i, value) in values.enumerated() { lanes[i % 16] += value }
  for half in [8, 4, 2, 1] {
    for j in 0..<half { lanes[j] += lanes[j + half] }
  }
  return lanes[0]
}

extension ProductRandom {
  /// A shape of up to `rank` dimensions, each up to `extent`, now and then 1 or 0.
  mutating func shape(rank: ClosedRange<Int>, extent: Int) -> [Int] {
    (0..<int(rank)).map { _ in int(0...40) == 0 ? 0 : int(0...4) == 0 ? 1 : int(1...extent) }
  }
}
