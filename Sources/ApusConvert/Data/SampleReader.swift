import ApusGraph

/// Samples as the files have them, before they are made to fit a model.
protocol SampleReader {
  var count: Int { get }
  /// The class of each sample; nil where the data does not tell.
  var labels: [Int]? { get }
  /// The names of the classes, where the data has some.
  var classNames: [String] { get }
  /// The files that the samples are of, in their order.
  var files: [String] { get }

  /// Samples from `start` on: at least one, at most `count`, all of one shape and type.
  func read(from start: Int, atMost count: Int) throws(ApusError) -> [RawSamples]
}

/// Some samples of one of a model's inputs.
struct RawSamples {
  enum Kind {
    /// [samples, ...]: the axes of the input.
    case array
    /// [samples, height, width, channels] of unsigned bytes.
    case image
  }

  /// Which of the model's inputs.
  let input: Int
  let kind: Kind
  let array: NpyArray
  let file: String

  var count: Int { array.dimensions.first ?? 0 }
}

/// An input that samples are for.
struct SampleInput {
  let name: Name
  let elementType: ElementType
  /// With the batch axis; nil where the model does not tell the rank.
  let shape: Shape?
  let text: String

  /// The number of axes without the batch; nil where unknown.
  var sampleRank: Int? { shape.map { max(0, $0.rank - 1) } }

  /// Whether it is an image whose last axis alone may be that of channels, of one of the numbers given.
  func isChannelsLast(of channels: [Int]) -> Bool {
    guard let shape, shape.rank == 4 else { return false }
    func fits(_ dimension: Dimension) -> Bool { dimension.value.map { channels.contains($0) } ?? true }
    return !fits(shape[1]) && fits(shape[3])
  }
}
