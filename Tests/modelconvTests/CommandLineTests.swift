import ApusConvert
import ApusGraph
import ApusSafetensors
import Foundation
import Testing

/// Runs the modelconv that was built beside these tests.
private struct Command {
  let code: Int32
  let output: String
  let errors: String

  static var executable: URL {
    URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
      .appendingPathComponent("modelconv")
  }

  init(_ arguments: String...) throws { try self.init(arguments) }

  init(_ arguments: [String]) throws {
    let process = Process()
    process.executableURL = Self.executable
    process.arguments = arguments
    let (output, errors) = (Pipe(), Pipe())
    process.standardOutput = output
    process.standardError = errors
    try process.run()
    // Reports are smaller than a pipe's buffer, so one after the other can't block.
    self.output = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    self.errors = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    code = process.terminationStatus
  }
}

/// A folder with a checkpoint of y = relu(x w), x [N, 2], w [2, 2], and a test vector.
private final class Folder {
  let path = NSTemporaryDirectory() + "/modelconv-\(UUID().uuidString)"

  init() throws {
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    let graph: JSONValue = [
      "version": 1, "name": "tiny", "symbols": [["name": "N", "minimum": 1, "multiple": 1]],
      "inputs": [["name": "x", "type": ["element": "float32", "shape": ["N", 2]]]], "outputs": [["name": "y"]], "values": [],
      "initializers": [["name": "w", "tensor": "w"]],
      "nodes": [
        [
          "name": "product", "domain": "ai.onnx", "operator": "MatMul", "since_version": 13, "inputs": ["x", "w"],
          "outputs": ["p"], "attributes": [],
        ],
        [
          "name": "relu", "domain": "ai.onnx", "operator": "Relu", "since_version": 14, "inputs": ["p"], "outputs": ["y"],
          "attributes": [],
        ],
      ],
      "tests": ["count": 1, "absolute_tolerance": 0, "relative_tolerance": 0], "metadata": [],
    ]
    try SafetensorsWriter.write(
      [
        SafetensorsTensor(name: "w", floats: [1, 2, 3, -4], dimensions: [2, 2]),
        SafetensorsTensor(name: "apus.test.0.input.x", floats: [1, 1, 2, 0], dimensions: [2, 2]),
        SafetensorsTensor(name: "apus.test.0.output.y", floats: [4, 0, 2, 4], dimensions: [2, 2]),
      ], metadata: ["apus.format": "checkpoint", "apus.version": "1", "apus.graph": graph.serialized()],
      path: file("tiny.safetensors"))
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String) -> String { path + "/" + name }

  var files: [String] { (try? FileManager.default.contentsOfDirectory(atPath: path))?.sorted() ?? [] }
}

@Suite struct CommandLineTests {
  @Test func theWholeWay() throws {
    let folder = try Folder()
    let model = folder.file("tiny.apus")
    let convert = try Command("convert", folder.file("tiny.safetensors"))
    #expect(convert.code == 0, "\(convert.errors)")
    #expect(convert.errors.isEmpty)
    #expect(convert.output.contains("worst error 0"))
    #expect(folder.files == ["tiny.apus", "tiny.safetensors"])

    let inspect = try Command("inspect", model, "--graph", "--sections")
    #expect(inspect.code == 0, "\(inspect.errors)")
    #expect(inspect.output.contains("ai.onnx.MatMul-13(%x, %w)"))

    let verify = try Command("verify", model, "--threads", "2")
    #expect(verify.code == 0, "\(verify.errors)")
    #expect(verify.output.contains("verified"))

    let input = NpyArray(elementType: .float32, dimensions: [1, 2], bytes: [Float(3), 1].withUnsafeBytes { Array($0) })
    try input.write(path: folder.file("x.npy"))
    let run = try Command("run", model, "--input", "x=" + folder.file("x.npy"), "--output-dir", folder.file("out"), "--profile")
    #expect(run.code == 0, "\(run.errors)")
    let output = try NpyArray(path: folder.file("out/y.npy"))
    #expect(output.dimensions == [1, 2])
    #expect(output.bytes == [Float(6), 2].withUnsafeBytes { Array($0) })
    #expect(run.output.contains("product"))

    // relu(x w) is [6, 2] for [3, 1] and [0, 4] for [0, -1].
    let samples = NpyArray(elementType: .float32, dimensions: [2, 2], bytes: [Float(3), 1, 0, -1].withUnsafeBytes { Array($0) })
    try samples.write(path: folder.file("samples.npy"))
    try Data("0\n1\n".utf8).write(to: URL(fileURLWithPath: folder.file("labels.txt")))
    let arguments = ["evaluate", model, "--data", folder.file("samples.npy"), "--labels", folder.file("labels.txt")]
    let evaluate = try Command(arguments + ["--minimum", "0.9", "--json", "--against", folder.file("tiny.safetensors")])
    #expect(evaluate.code == 0, "\(evaluate.errors)")
    #expect(try JSONValue(parsing: evaluate.output)["agreement"]?.arrayValue?.count == 1)
    #expect(try Command(Array(arguments.dropLast(2))).code == 1)

    let bench = try Command("bench", model, "--shape", "x=4,2", "--threads", "1,2", "--seconds", "0.01")
    #expect(bench.code == 0, "\(bench.errors)")
    #expect(bench.output.contains("GFLOP/s"))
  }

  @Test func jsonGoesToStandardOutputAlone() throws {
    let folder = try Folder()
    let model = folder.file("m.apus")
    for arguments in [
      ["convert", folder.file("tiny.safetensors"), "-o", model, "--codec", "raw"], ["inspect", model], ["verify", model],
      ["bench", model, "--seconds", "0"],
    ] {
      let command: Command
      switch arguments.count {
      case 2: command = try Command(arguments[0], arguments[1], "--json")
      case 4: command = try Command(arguments[0], arguments[1], arguments[2], arguments[3], "--json")
      default:
        command = try Command(arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5], "--json")
      }
      #expect(command.code == 0, "\(command.errors)")
      #expect(command.errors.isEmpty)
      let document = try JSONValue(parsing: command.output)
      #expect(document["format"]?.stringValue == "apus." + arguments[0])
    }
  }

  @Test func failuresExitWithOneAndOneMessage() throws {
    let folder = try Folder()
    let model = folder.file("tiny.apus")
    #expect(try Command("convert", folder.file("tiny.safetensors")).code == 0)
    let missing = try Command("inspect", folder.file("none.apus"))
    #expect(missing.code == 1)
    #expect(missing.output.isEmpty)
    #expect(missing.errors.hasPrefix("modelconv: error: " + folder.file("none.apus")))
    #expect(missing.errors.split(separator: "\n").count == 1)

    var bytes = try Data(contentsOf: URL(fileURLWithPath: model))
    bytes[bytes.count / 2] ^= 1
    try bytes.write(to: URL(fileURLWithPath: folder.file("damaged.apus")))
    let damaged = try Command("verify", folder.file("damaged.apus"), "--json")
    #expect(damaged.code == 1)
    #expect(try JSONValue(parsing: damaged.output)["passed"] == false)
    #expect(damaged.errors.contains("damaged"))

    let wrong = try Command("convert", model, "-o", folder.file("x.apus"))
    #expect(wrong.code == 1)
    #expect(wrong.errors.contains("safetensors"))
    #expect(!folder.files.contains("x.apus"))

    let missingInput = try Command("run", model, "--input", "x=" + folder.file("none.npy"))
    #expect(missingInput.code == 1)
    #expect(missingInput.errors.contains("none.npy"))
    let unknown = try Command("run", model, "--input", "y=" + folder.file("none.npy"))
    #expect(unknown.code == 1)
    #expect(unknown.errors.contains("'y'"))
    #expect(try Command("inspect", model, "--shape", "x=1,3").code == 1)
    #expect(try Command("bench", model, "--shape", "nothing=1").code == 1)
  }

  @Test func aBatchIsAnsweredLineByLine() throws {
    let folder = try Folder()
    let input = NpyArray(elementType: .float32, dimensions: [1, 2], bytes: [Float(3), 1].withUnsafeBytes { Array($0) })
    try input.write(path: folder.file("x.npy"))
    func line(_ inputs: [String]) -> String {
      let request: JSONValue = [
        "model": .string(folder.file("tiny.safetensors")), "inputs": .array(inputs.map { .string($0) }),
        "output_dir": .string(folder.file("out")),
      ]
      return request.serialized(indented: false)
    }
    let lines = [line([folder.file("x.npy")]), "no JSON", "", line([])]
    try Data(lines.joined(separator: "\n").utf8).write(to: URL(fileURLWithPath: folder.file("batch")))
    let batch = try Command("run", "--batch", folder.file("batch"))
    #expect(batch.code == 0, "\(batch.errors)")
    let answers = try batch.output.split(separator: "\n").map { try JSONValue(parsing: String($0)) }
    #expect(answers.map { $0["exit_code"]?.integerValue } == [0, 1, 1])
    #expect(answers[0]["outputs"] == [.string(folder.file("out/output_0.pb"))])
    #expect(answers[2]["message"]?.stringValue?.contains("1: x") == true)
    let tensor = ValueType.tensor(TensorType(.float32, nil))
    let output = try ValueFile.read(folder.file("out/output_0.pb"), as: tensor)
    #expect(output.array?.bytes == [Float(6), 2].withUnsafeBytes { Array($0) })
  }

  @Test func aModelIsComparedWithItsSourceAndDrawn() throws {
    let folder = try Folder()
    let model = folder.file("tiny.apus")
    #expect(try Command("convert", folder.file("tiny.safetensors")).code == 0)
    let nodes = try Command("verify", model, "--against", folder.file("tiny.safetensors"), "--per-node")
    #expect(nodes.code == 0, "\(nodes.errors)")
    #expect(nodes.output.contains("no node departs"))

    let data = folder.file("test_data_set_0")
    try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: true)
    let input = NpyArray(elementType: .float32, dimensions: [1, 2], bytes: [Float(3), 1].withUnsafeBytes { Array($0) })
    try input.write(path: data + "/input_0.npy")
    let output = NpyArray(elementType: .float32, dimensions: [1, 2], bytes: [Float(6), 3].withUnsafeBytes { Array($0) })
    try output.write(path: data + "/output_0.npy")
    let wrong = try Command("verify", model, "--against", data, "--json")
    #expect(wrong.code == 1)
    let document = try JSONValue(parsing: wrong.output)
    #expect(document["agrees"] == false)
    #expect(document["sets"]?.arrayValue?.first?["outputs"]?.arrayValue?.first?["failures"] == 1)

    let inspect = try Command("inspect", model, "--html", folder.file("tiny.html"), "--dot", folder.file("tiny.dot"))
    #expect(inspect.code == 0, "\(inspect.errors)")
    #expect(folder.files.contains("tiny.html"))
    #expect(folder.files.contains("tiny.dot"))
  }

  /// What a quantization has begun to write goes with it.
  @Test(arguments: [SIGINT, SIGTERM]) func anInterruptedQuantizationLeavesNothing(_ number: Int32) throws {
    let folder = try Folder()
    // More runs than the test waits for.
    let samples = [Float](repeating: 0.5, count: 8_000_000)
    try NpyArray(elementType: .float32, dimensions: [4_000_000, 2], bytes: samples.withUnsafeBytes { Array($0) })
      .write(path: folder.file("samples.npy"))
    let before = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
    let process = Process()
    process.executableURL = Command.executable
    process.arguments = [
      "quantize", folder.file("tiny.safetensors"), "--data", folder.file("samples.npy"), "--limit", "4000000", "--batch", "1",
      "--output", folder.file("q.apus"),
    ]
    process.standardError = Pipe()
    try process.run()
    // Until it listens to signals.
    let mask: UInt64 = 1 << UInt64(number - 1)
    while process.isRunning {
      let status = (try? String(contentsOfFile: "/proc/\(process.processIdentifier)/status", encoding: .utf8)) ?? ""
      let handled = status.split(separator: "\n").filter { $0.hasPrefix("SigIgn:") || $0.hasPrefix("SigCgt:") }
      let masks = handled.map { UInt64($0.dropFirst(7).trimmingCharacters(in: .whitespaces), radix: 16) ?? 0 }
      if masks.contains(where: { $0 & mask != 0 }) { break }
      usleep(1000)
    }
    // As if it were writing already.
    FileManager.default.createFile(atPath: folder.file("q.apus.\(process.processIdentifier).1"), contents: nil)
    while process.isRunning {
      kill(process.processIdentifier, number)
      usleep(20_000)
    }
    process.waitUntilExit()
    #expect(process.terminationReason == .exit && process.terminationStatus == 128 + number)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() == before)
  }

  @Test func usageErrorsExitWithTwo() throws {
    for arguments in [
      ("convert", "--nonsense"), ("convert", "--codec=lz4"), ("inspect", "--shape=x"), ("bench", "--threads=0"),
      ("bench", "--seconds=-1"), ("run", "--input=x"), ("run", "--batch=-"), ("verify", "--rtol=-1"), ("nonsense", "x"),
    ] {
      let command = try Command(arguments.0, arguments.1, "file")
      #expect(command.code == 2, "\(arguments): \(command.errors)")
      #expect(command.output.isEmpty)
      #expect(!command.errors.isEmpty)
    }
    #expect(try Command("verify").code == 2)
  }

  @Test func helpAndVersionExitWithZero() throws {
    for command in ["convert", "coverage", "inspect", "verify", "run", "bench", "operators"] {
      let help = try Command(command, "--help")
      #expect(help.code == 0)
      #expect(help.output.contains("modelconv \(command) "))
      #expect(help.errors.isEmpty)
    }
    #expect(try Command("--help").output.contains("Exit codes"))
    #expect(try Command("operators").output.contains("ai.onnx.Conv"))
    #expect(try Command("--version").output == "0.1.0\n")
  }
}
