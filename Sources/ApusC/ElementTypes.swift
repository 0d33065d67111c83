import ApusGraph
public import CApus

@c @implementation
public func apus_type_name(_ element_type: Int32) -> UnsafePointer<CChar>? {
  constantText(ElementType(rawValue: element_type)?.name ?? "unknown")
}

@c @implementation
public func apus_type_bits(_ element_type: Int32) -> UInt32 {
  UInt32(clamping: ElementType(rawValue: element_type)?.bitWidth ?? 0)
}

@c @implementation
public func apus_tensor_size(
  _ element_type: Int32, _ shape: UnsafePointer<apus_shape>?, _ size: UnsafeMutablePointer<UInt64>?,
  _ error: UnsafeMutablePointer<apus_error>?
) -> Int32 {
  call(error) { () throws(ApusError) in
    let size = try require(size, "size")
    guard let type = ElementType(rawValue: element_type), type != .string else {
      throw ApusError(.invalidArgument, "no element type of a fixed size", actual: "\(element_type)")
    }
    let extents = try extents(of: try require(shape, "shape").pointee, "shape")
    guard let count = elementCount(extents), let bytes = type.byteCount(of: count) else {
      throw ApusError(.shapeMismatch, "no tensor can have this shape", actual: Shape(extents).text(symbols: []))
    }
    size.pointee = UInt64(clamping: bytes)
  }
}

/// More axes than any limit allows: a rank above it is refused before the extents are read.
private let largestRank: UInt64 = 1024

/// The extents of a caller's shape. Negative ones are let through: the callee says what it expected.
func extents(of shape: apus_shape, _ name: StaticString) throws(ApusError) -> [Int] {
  guard shape.rank <= largestRank else {
    throw ApusError(
      .shapeMismatch, "the rank of " + name.text + " is absurd", expected: "at most \(largestRank)", actual: "\(shape.rank)")
  }
  guard shape.rank > 0 else { return [] }
  let extents = try require(shape.extents, "extents")
  var values: [Int] = []
  values.reserveCapacity(Int(shape.rank))
  for axis in 0..<Int(shape.rank) { values.append(Int(extents[axis])) }
  return values
}

/// The shapes of all inputs, as `apus_session_prepare` takes them.
func extents(of shapes: UnsafePointer<apus_shape>?, count: UInt32, expected: Int) throws(ApusError) -> [[Int]] {
  guard Int(count) == expected else {
    throw ApusError(.shapeMismatch, "one shape for each input", expected: "\(expected)", actual: "\(count)")
  }
  guard expected > 0 else { return [] }
  let shapes = try require(shapes, "shapes")
  var all: [[Int]] = []
  all.reserveCapacity(expected)
  for index in 0..<expected { all.append(try extents(of: shapes[index], "an input's shape")) }
  return all
}
