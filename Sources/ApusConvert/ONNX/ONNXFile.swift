import ApusGraph
import ApusSafetensors
import Foundation
import SwiftProtobuf

/// Messages of ONNX's schema read from files: the nesting of messages is bounded, so that a hostile file can't exhaust the
/// stack.
enum ONNXFile {
  /// Messages nested in each other. A graph in a graph takes three.
  static let messageDepth = 100

  /// - Throws: `fileNotFound`, `inputOutput`, `truncated` or `malformed`, naming the file.
  static func read<M: Message>(_ type: M.Type, path: String) throws(ApusError) -> M {
    let file = try FileBytes(path: path)
    guard file.byteCount <= UInt64(Int32.max), let count = Int(exactly: file.byteCount) else {
      throw ApusError(
        .malformed, "a protobuf message has at most 2 GiB: larger models keep their tensors in external data", file: path,
        actual: "\(file.byteCount) bytes")
    }
    do {
      return try parse(type, try file.read(at: 0, count: count))
    } catch {
      throw error.inFile(path)
    }
  }

  static func parse<M: Message>(_ type: M.Type, _ bytes: [UInt8]) throws(ApusError) -> M {
    var options = BinaryDecodingOptions()
    options.messageDepthLimit = messageDepth
    options.discardUnknownFields = true
    do {
      return try M(serializedBytes: bytes, extensions: nil, partial: false, options: options)
    } catch BinaryDecodingError.truncated {
      throw ApusError(.truncated, "the file ends inside of a protobuf message", expected: M.protoMessageName)
    } catch BinaryDecodingError.messageDepthLimit {
      throw ApusError(
        .malformed, "messages are nested too deeply", expected: "at most \(messageDepth) levels of \(M.protoMessageName)")
    } catch BinaryDecodingError.invalidUTF8 {
      throw ApusError(.malformed, "a text of the file is not UTF-8", expected: M.protoMessageName)
    } catch {
      throw ApusError(.malformed, "this is no protobuf message of the kind wanted", expected: M.protoMessageName)
    }
  }
}
