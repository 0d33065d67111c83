import ApusGraph

/// An array of bytes in the IDX format of the MNIST data sets (http://yann.lecun.com/exdb/mnist/): two zero bytes, the element
/// type, the rank, the extents as big-endian 32-bit integers, and the elements.
public struct IDXFile: Sendable {
  public let shape: [Int]
  /// Row-major.
  public let bytes: [UInt8]

  /// The most bytes that a file is read to.
  public static let limit = 1 << 31

  /// Reads a file of unsigned bytes, packed by gzip or not.
  ///
  /// - Parameter rank: how many extents there must be.
  /// - Throws: `malformed` where the header is not as it must be or the length not that of the extents, and what reading and
  ///   unpacking throw.
  public init(path: String, rank: Int) throws(ApusError) {
    do {
      try self.init(parsing: Gzip.read(path, limit: Self.limit), rank: rank)
    } catch {
      throw error.inFile(path)
    }
  }

  package init(parsing file: [UInt8], rank: Int) throws(ApusError) {
    guard file.count >= 4, file[0] == 0, file[1] == 0 else {
      throw ApusError(.malformed, "this is no IDX file: it does not begin with two zero bytes", fileOffset: 0)
    }
    guard file[2] == 0x08 else {
      throw ApusError(
        .unsupportedType, "the IDX file is of another element type", expected: "8 (unsigned byte)", actual: "\(file[2])",
        fileOffset: 2)
    }
    guard Int(file[3]) == rank else {
      throw ApusError(.malformed, "the IDX file is of another rank", expected: "\(rank)", actual: "\(file[3])", fileOffset: 3)
    }
    let header = 4 + 4 * rank
    guard file.count >= header else {
      throw ApusError(
        .truncated, "the IDX file ends in its header", expected: "\(header) bytes", actual: "\(file.count)")
    }
    var shape: [Int] = []
    for axis in 0..<rank {
      let place = 4 + 4 * axis
      shape.append(file[place..<place + 4].reduce(0) { $0 << 8 | Int($1) })
    }
    guard let count = elementCount(shape), count == file.count - header else {
      throw ApusError(
        .malformed, "the IDX file's length is not that of its extents", expected: "\(shape) elements",
        actual: "\(file.count - header) bytes")
    }
    self.shape = shape
    bytes = Array(file[header...])
  }
}
