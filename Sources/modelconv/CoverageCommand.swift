import ApusConvert
import ArgumentParser

struct CoverageCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "coverage",
    abstract: "Say whether a model can be converted, and all that stands in the way.",
    discussion: """
      Converts the model in memory, writes nothing, and reports every operator, type or form that this release lacks at once: the
      operator, the node, the reason, and what one can do about it.

        modelconv coverage model.onnx
        modelconv coverage model.onnx --json | jq -r '.problems[].operator'

      Exit codes: 0 everything can be converted; 3 this release lacks something; 1 the file is wrong.
      """)

  @Argument(help: "An .onnx or .safetensors file.")
  var model: String

  @Flag(help: "Print the report as JSON (Sources/modelconv/JSON.md, apus.coverage).")
  var json = false

  func run() throws {
    let coverage = try Coverage(path: model)
    Console.report(coverage.text, json: coverage.json, asJSON: json)
    guard coverage.isConvertible else { throw ExitCode(coverage.exitCode) }
  }
}
