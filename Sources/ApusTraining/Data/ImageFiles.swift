import ApusData
import ApusGraph

/// An array of bytes in the IDX format of the MNIST data sets.
public typealias IDXFile = ApusData.IDXFile

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
