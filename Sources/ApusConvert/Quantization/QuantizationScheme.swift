/// What of a model becomes integers, and which.
public enum QuantizationScheme: String, CaseIterable, Sendable {
  /// Activations uint8 with ranges from samples, weights int8 per output channel, int32 sums.
  case `static`
  /// Operands of matrix products and LSTM layers become uint8 in each run, with the range that they then have; weights int8 per
  /// column. Other weights become int8 in blocks, as in `weightsInt8`.
  case dynamic
  /// Weights int8 in blocks with a float16 scale each; arithmetic stays float32.
  case weightsInt8 = "weights-int8"
  /// Weights int4 in blocks with a float16 scale each; arithmetic stays float32.
  case weightsInt4 = "weights-int4"
  /// Weights float16; arithmetic stays float32.
  case float16 = "fp16"

  /// Whether activations' ranges come from samples.
  public var needsRanges: Bool { self == .static }
}

/// How the range of an activation follows from the values that samples give it.
public enum RangeMethod: String, CaseIterable, Sendable {
  /// From the smallest to the largest value.
  case minMax = "min-max"
  /// The extremes of batches, each new one with a weight of 0.01 (Jacob et al. 2018, section 3.1).
  case movingAverage = "moving-average"
  /// All but one in 10,000 values at each end.
  case percentile
  /// The threshold whose 8-bit distribution diverges least from that of the values (Migacz, "8-bit Inference with TensorRT",
  /// GTC 2017).
  case entropy
  /// The range with the least expected square error.
  case meanSquareError = "mse"
}

/// What a caller chooses.
public struct QuantizationOptions: Sendable {
  public var scheme: QuantizationScheme = .static
  public var ranges: RangeMethod = .minMax
  /// Nodes, by name or by what they write, that stay float.
  public var excluded: Set<String> = []
  /// Weights that share a scale, where only weights are stored as integers; nil for what suits the bits: 128 of 8, 32 of 4.
  public var block: Int?
  /// Whether the weight-only schemes store zero points.
  public var isAsymmetric = false
  /// Whether the ranges of channels are made alike first, where that lessens the outputs' error (static).
  public var equalizes = true
  /// Whether biases take back the mean error of rounded weights, where that lessens the outputs' error (static).
  public var correctsBias = true
  /// Layers compute in float until the outputs' relative error is at most this; nil keeps all.
  public var targetError: Double?
  /// Layers compute in float until this part of the labelled samples has its largest score at the label; nil keeps all.
  public var targetAccuracy: Double?
  /// Samples in a run, where the model leaves that open.
  public var batch = 8
  /// Samples that errors are measured on.
  public var errorSamples = 64
  /// Whether the float model and the quantized one are timed on this machine, and for how long.
  public var measures = false
  public var measuredSeconds = 4.0
  /// Of runs.
  public var threads = 1

  public init() {}

  /// Weights of so many bits that share a scale.
  func block(bits: Int) -> Int { block ?? (bits == 8 ? 128 : 32) }
}
