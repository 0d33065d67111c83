import ApusConvert
import ArgumentParser

struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show what a model file holds.",
    discussion: """
      Shows the model id, inputs, outputs and states with their symbolic shapes, operators, parameters, segments with their
      codecs, metadata and test vectors; and what a run costs, for given shapes or the smallest ones.

        modelconv inspect lenet.apus
        modelconv inspect lenet.apus --shape input=64,1,28,28 --threads 2
        modelconv inspect lenet.apus --graph
        modelconv inspect lenet.apus --html lenet.html
        modelconv inspect lenet.apus --dot lenet.dot && dot -Tsvg lenet.dot -o lenet.svg
        modelconv inspect lenet.apus --json | jq .cost.flops
      """)

  @Argument(help: "The model file.")
  var model: String

  @Option(help: "The shape of an input, such as input=1,1,28,28; once an input.")
  var shape: [ShapeArgument] = []

  @Option(help: "Threads of the session that memory is told for.")
  var threads = ThreadCount(1)

  @Flag(help: "Print the graph at each stage: of the file, after the compiler's passes, and the steps for the shapes.")
  var graph = false

  @Flag(help: "Print places and checksums of sections and segments.")
  var sections = false

  @Option(help: "Write the graph as a page that any browser shows, without a network; names, shapes and attributes included.")
  var html: String?

  @Option(help: "Write the graph in the language of Graphviz.")
  var dot: String?

  @Flag(help: "Print everything as JSON (Sources/modelconv/JSON.md, apus.inspect).")
  var json = false

  func run() throws {
    var options = Inspection.Options()
    options.shapes = try ShapeArgument.byName(shape)
    options.threads = threads.count
    options.graph = graph
    options.sections = sections
    let inspection = try Inspection(path: model, options: options)
    if let html { try inspection.writePage(html) }
    if let dot { try inspection.writeDot(dot) }
    Console.report(inspection.text, json: inspection.json, asJSON: json)
  }
}
