import ApusConvert
import ArgumentParser

struct Operators: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List the operators that this release knows.",
    discussion: """
      Each operator with its versions (the ONNX opset versions in which its present forms began), inputs, outputs and attributes.
      '?' marks what may be left out, '...' what may repeat.

        modelconv operators
        modelconv operators --json | jq -r '.operators[].name'
      """)

  @Flag(help: "Print the list as JSON (Sources/modelconv/JSON.md, apus.operators).")
  var json = false

  func run() {
    let listing = OperatorListing()
    Console.report(listing.text, json: listing.json, asJSON: json)
  }
}
