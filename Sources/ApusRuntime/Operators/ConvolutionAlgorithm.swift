import ApusGraph
import CApusPlatform

/// How float32 convolutions over one or two axes are computed.
public enum ConvolutionAlgorithm: Int32, Sendable {
  /// By the sizes: Winograd's algorithms where they are faster.
  case automatic = -1
  /// The sum that ONNX writes down.
  case direct = 0
  /// Winograd's F(2x2, 3x3) wherever it can compute the convolution, else the direct sum.
  case winograd2 = 2
  /// The same with F(4x4, 3x3).
  case winograd4 = 4
  /// The same with F(6x6, 3x3).
  case winograd6 = 6

  /// What the environment variable `APUS_CONV` asks for: `auto` (or nothing), `direct`, `winograd2`, `winograd4`,
  /// `winograd6`.
  /// - Throws: `unknownName`.
  static func fromEnvironment() throws(ApusError) -> ConvolutionAlgorithm {
    var choice: Int32 = 0
    try withPlatformMessage { message, size in apusp_convolution_select_from_environment(&choice, message, size) }
    return ConvolutionAlgorithm(rawValue: choice) ?? .automatic
  }
}

/// Runs a function of the platform layer that gives a status and, where it fails, a sentence.
/// - Throws: the status with the sentence.
func withPlatformMessage(_ body: (UnsafeMutablePointer<CChar>?, Int) -> Int32) throws(ApusError) {
  var message = InlineArray<256, CChar>(repeating: 0)
  var bytes = message.mutableSpan
  let status = bytes.withUnsafeMutableBufferPointer { body($0.baseAddress, $0.count) }
  guard status != 0 else { return }
  var text: [UInt8] = []
  for index in 0..<256 where message[index] != 0 { text.append(UInt8(bitPattern: message[index])) }
  throw ApusError(ApusError.Status(rawValue: status) ?? .internal, String(decoding: text, as: UTF8.self))
}
