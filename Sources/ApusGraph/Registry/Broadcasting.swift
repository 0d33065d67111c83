/// The shape of two tensors broadcast against each other (ONNX multidirectional broadcasting, which is NumPy's).
///
/// Aligned at the last axis, two extents must be equal or one of them 1. Returns nil where they are neither.
public func broadcast(_ a: Shape, _ b: Shape) -> Shape? {
  let rank = max(a.rank, b.rank)
  var result: [Dimension] = []
  result.reserveCapacity(rank)
  for axis in 0..<rank {
    let x = axis < rank - a.rank ? Dimension.known(1) : a[axis - (rank - a.rank)]
    let y = axis < rank - b.rank ? Dimension.known(1) : b[axis - (rank - b.rank)]
    switch (x, y) {
    case (.known(1), let other), (let other, .known(1)): result.append(other)
    case (.known(let m), .known(let n)):
      guard m == n else { return nil }
      result.append(x)
    // A symbol against an extent other than 1 is that extent, or 1 at run time: the result is the extent either way.
    case (.known, _): result.append(x)
    case (_, .known): result.append(y)
    case (.symbol(let m), .symbol(let n)): result.append(m == n ? x : .unknown)
    default: result.append(.unknown)
    }
  }
  return Shape(result)
}
