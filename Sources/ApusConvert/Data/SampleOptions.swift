import ApusGraph

/// How samples become a model's inputs.
public struct SampleOptions: Sendable {
  /// Where the channels of a model's image input stand.
  public enum Layout: String, CaseIterable, Sendable {
    /// [N, C, H, W]
    case nchw
    /// [N, H, W, C]
    case nhwc
  }

  /// How images of a folder become as large as the input.
  public enum Resizing: Equatable, Sendable {
    /// The shorter side becomes so many pixels; then the middle is cut out, as large as the input.
    case shorterSide(Int)
    /// Stretched to this width and height.
    case stretched(width: Int, height: Int)
  }

  /// nil: images must be as large as the input.
  public var resizing: Resizing?
  /// What each number is multiplied by, before the mean is subtracted. nil: 1/255 for unsigned bytes that become floats, 1 for
  /// all else.
  public var scale: Double?
  /// Subtracted from the scaled numbers: one for all, or one for each channel. Empty: nothing is.
  public var mean: [Double] = []
  /// What the result is divided by: one for all, or one for each channel. Empty: nothing is.
  public var standardDeviation: [Double] = []
  /// nil: what the shape of the input tells; [N, C, H, W] where it fits both.
  public var layout: Layout?
  /// A file of class numbers (see `SampleLabels`); nil: those that belong to the data, where it has some.
  public var labels: String?
  /// The most samples that are taken, from the first on.
  public var limit: Int?

  public init() {}

  /// - Throws: `invalidArgument` for numbers that no data can be normalized with.
  func check() throws(ApusError) {
    if let scale, !scale.isFinite || scale == 0 {
      throw ApusError(.invalidArgument, "the scale must be a number other than 0", actual: "\(scale)")
    }
    for value in mean where !value.isFinite {
      throw ApusError(.invalidArgument, "a mean must be a number", actual: "\(value)")
    }
    for value in standardDeviation where !value.isFinite || value <= 0 {
      throw ApusError(.invalidArgument, "a standard deviation must be greater than 0", actual: "\(value)")
    }
    switch resizing {
    case nil: break
    case .shorterSide(let side): try Self.checkSide(side)
    case .stretched(let width, let height):
      try Self.checkSide(width)
      try Self.checkSide(height)
    }
    if let limit, limit < 1 {
      throw ApusError(.invalidArgument, "the limit must be 1 or more samples", actual: "\(limit)")
    }
  }

  private static func checkSide(_ side: Int) throws(ApusError) {
    guard (1...16_384).contains(side) else {
      throw ApusError(.invalidArgument, "images can't be resized so", expected: "1 to 16384 pixels", actual: "\(side)")
    }
  }
}
