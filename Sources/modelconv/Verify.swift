import ApusConvert
import ArgumentParser

struct Verify: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Check a model file whole and run its self test.",
    discussion: """
      Checks the structure, each segment's checksum and decoding, each tensor's bytes, the model id (computed anew from the
      contents), that the runtime has every operator, and the file's own test vectors. Exit code 1 if anything is wrong.

        modelconv verify lenet.apus
        modelconv verify lenet.apus --threads 2 --json
      """)

  @Argument(help: "The model file.")
  var model: String

  @Option(help: "Threads of the self test. The results are the same for every number.")
  var threads = ThreadCount(1)

  @Flag(help: "Print the report as JSON (Sources/modelconv/JSON.md, apus.verify).")
  var json = false

  func run() throws {
    let progress = ProgressLine()
    let verification = Verification(path: model, threads: threads.count) { progress.show("verifying: \($0)") }
    progress.clear()
    Console.report(verification.text, json: verification.json, asJSON: json)
    guard verification.passed else {
      for check in verification.checks { if let error = check.error { Console.fail("\(error)") } }
      throw ExitCode(1)
    }
  }
}
