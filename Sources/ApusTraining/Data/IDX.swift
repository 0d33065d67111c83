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

  init(parsing file: [UInt8], rank: Int) throws(ApusError) {
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

extension ImageDataset {
  /// Reads a file of images [count, height, width] and one of labels [count].
  ///
  /// - Parameter classes: how many classes there are.
  /// - Throws: what `IDXFile` throws; `shapeMismatch` where the counts differ; `valueOutOfRange` for a label that is no class.
  public init(idxImages: String, idxLabels: String, classes: Int) throws(ApusError) {
    let images = try IDXFile(path: idxImages, rank: 3)
    let labels = try IDXFile(path: idxLabels, rank: 1)
    guard images.shape[0] == labels.shape[0] else {
      throw ApusError(
        .shapeMismatch, "there is one label for each image", file: idxLabels, expected: "\(images.shape[0])",
        actual: "\(labels.shape[0])")
    }
    if let index = labels.bytes.firstIndex(where: { Int($0) >= classes }) {
      throw ApusError(
        .valueOutOfRange, "label \(index) is no class", file: idxLabels, expected: "0 ..< \(classes)",
        actual: "\(labels.bytes[index])")
    }
    try self.init(pixels: images.bytes, labels: labels.bytes, imageShape: [1, images.shape[1], images.shape[2]])
  }
}

/// MNIST (LeCun et al. 1998) or Fashion-MNIST (Xiao et al. 2017): 60,000 and 10,000 grey images of 28 x 28 in ten classes.
public struct MNIST: Sendable {
  public let training: ImageDataset
  public let test: ImageDataset

  /// Where Debian's package dataset-fashion-mnist puts its files.
  public static let fashionFolder = "/usr/share/datasets/fashion-mnist"

  /// The classes of Fashion-MNIST.
  public static let fashionClasses = [
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
  ]

  /// Reads the four files `train-images-idx3-ubyte.gz`, ... of `folder`.
  public init(folder: String = fashionFolder) throws(ApusError) {
    training = try ImageDataset(
      idxImages: folder + "/train-images-idx3-ubyte.gz", idxLabels: folder + "/train-labels-idx1-ubyte.gz", classes: 10)
    test = try ImageDataset(
      idxImages: folder + "/t10k-images-idx3-ubyte.gz", idxLabels: folder + "/t10k-labels-idx1-ubyte.gz", classes: 10)
  }
}
