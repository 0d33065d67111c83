import ApusData
import ApusGraph
import Foundation

/// Grey images [count, height, width] of the IDX format. They are in memory: gzip does not let one begin in the middle.
struct IDXSamples: SampleReader {
  private let path: String
  private let images: IDXFile
  let labels: [Int]?

  var count: Int { images.shape[0] }
  var classNames: [String] { [] }
  var files: [String] { [path] }

  init(_ path: String, _ inputs: [SampleInput]) throws(ApusError) {
    self.path = path
    guard inputs.count == 1 else {
      throw ApusError(
        .invalidArgument, "the file holds images for one input, the model takes several", file: path,
        expected: "an .npz archive with arrays " + inputs.map(\.name.string).joined(separator: ", "))
    }
    images = try IDXFile(path: path, rank: 3)
    labels = try Self.labelFile(of: path).map { (file) throws(ApusError) in try SampleLabels.read(file) }
  }

  /// The file of labels beside `...-images-idx3-ubyte`, packed or not.
  private static func labelFile(of path: String) -> String? {
    let name = path.replacingOccurrences(of: "images", with: "labels").replacingOccurrences(of: "idx3", with: "idx1")
    let bare = name.hasSuffix(".gz") ? String(name.dropLast(3)) : name
    return [name, bare, bare + ".gz"].first { $0 != path && FileManager.default.fileExists(atPath: $0) }
  }

  func read(from start: Int, atMost count: Int) throws(ApusError) -> [RawSamples] {
    let size = images.shape[1] * images.shape[2]
    let bytes = Array(images.bytes[start * size..<(start + count) * size])
    return [
      RawSamples(
        input: 0, kind: .image,
        array: NpyArray(elementType: .uint8, dimensions: [count, images.shape[1], images.shape[2], 1], bytes: bytes), file: path)
    ]
  }
}
