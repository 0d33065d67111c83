import ApusGraph
import Foundation

/// A folder of files with a sample each: images (`SampleImage`) or arrays (.npy). Where it holds folders, these are the classes,
/// in the order of their names (numbers by value).
struct FolderSamples: SampleReader {
  let files: [String]
  let labels: [Int]?
  let classNames: [String]

  var count: Int { files.count }

  private let sampleRank: Int?
  private let fitting: ImageFitting

  init(_ folder: String, _ inputs: [SampleInput], _ options: SampleOptions) throws(ApusError) {
    guard inputs.count == 1 else {
      throw ApusError(
        .invalidArgument, "a folder holds samples of one input, the model takes several", file: folder,
        expected: "an .npz archive with arrays " + inputs.map(\.name.string).joined(separator: ", "))
    }
    sampleRank = inputs[0].sampleRank
    fitting = ImageFitting(options, inputs[0])
    let names = try Self.names(folder)
    let classes = names.filter { Self.isFolder(folder + "/" + $0) }
    guard !classes.isEmpty else {
      files = try Self.samples(folder, names)
      labels = nil
      classNames = []
      return
    }
    var files: [String] = []
    var labels: [Int] = []
    for (number, name) in classes.enumerated() {
      let found = try Self.samples(folder + "/" + name, try Self.names(folder + "/" + name))
      files += found
      labels += Array(repeating: number, count: found.count)
    }
    self.files = files
    self.labels = labels
    classNames = classes
  }

  private static func isFolder(_ path: String) -> Bool {
    var isFolder: ObjCBool = false
    return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && isFolder.boolValue
  }

  /// What a folder holds, without hidden files; 2 before 10.
  private static func names(_ folder: String) throws(ApusError) -> [String] {
    do {
      return try FileManager.default.contentsOfDirectory(atPath: folder).filter { !$0.hasPrefix(".") }
        .sorted { $0.compare($1, options: .numeric) == .orderedAscending }
    } catch {
      throw ApusError(.inputOutput, "the folder can't be read: \(error.localizedDescription)", file: folder)
    }
  }

  private static func samples(_ folder: String, _ names: [String]) throws(ApusError) -> [String] {
    let paths = names.map { folder + "/" + $0 }.filter { !isFolder($0) }
    for path in paths {
      let name = path.lowercased()
      let suffixes = SampleImage.suffixes + [".npy"]
      guard suffixes.contains(where: { name.hasSuffix($0) }) else {
        throw ApusError(
          .unsupportedFeature, "a file of the folder is no sample that can be read", file: path,
          expected: suffixes.map { "*" + $0 }.joined(separator: ", "))
      }
    }
    return paths
  }

  /// Files of one shape after another become one batch.
  func read(from start: Int, atMost count: Int) throws(ApusError) -> [RawSamples] {
    let first = try sample(files[start])
    var array = first.array
    var taken = 1
    while taken < count {
      let next = try sample(files[start + taken])
      guard next.kind == first.kind, next.array.elementType == array.elementType,
        next.array.dimensions.dropFirst() == array.dimensions.dropFirst()
      else { break }
      array.bytes += next.array.bytes
      taken += 1
    }
    array.dimensions[0] = taken
    return [RawSamples(input: 0, kind: first.kind, array: array, file: files[start])]
  }

  private func sample(_ path: String) throws(ApusError) -> RawSamples {
    guard path.lowercased().hasSuffix(".npy") else {
      let image = try fitted(path)
      return RawSamples(
        input: 0, kind: .image,
        array: NpyArray(
          elementType: .uint8, dimensions: [1, image.height, image.width, image.channels], bytes: image.pixels), file: path)
    }
    var array = try NpyArray(path: path)
    // With an axis of its own for the batch, or without.
    if array.dimensions.count == sampleRank.map({ $0 + 1 }), array.dimensions[0] == 1 {
      return RawSamples(input: 0, kind: .array, array: array, file: path)
    }
    array.dimensions.insert(1, at: 0)
    return RawSamples(input: 0, kind: .array, array: array, file: path)
  }

  private func fitted(_ path: String) throws(ApusError) -> SampleImage {
    let image = try SampleImage(path: path)
    do { return try fitting.apply(image) } catch { throw error.inFile(path) }
  }
}
