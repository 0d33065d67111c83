import ApusFormat
import ApusGraph
import ApusRuntime

/// A loaded model: immutable, shared by any number of sessions.
///
///     let model = try Model.load(contentsOfFile: "lenet.apus")
///     let session = try Session(model: model)
///     let outputs = try session.run(["input": try Tensor(pixels, shape: [1, 1, 28, 28])])
///     let logits = try outputs["output"]?.values(as: Float.self)
public typealias Model = ApusRuntime.Model
/// One caller's way to run a model.
public typealias Session = ApusRuntime.Session
public typealias SessionOptions = ApusRuntime.SessionOptions
public typealias LoadOptions = ApusRuntime.LoadOptions
public typealias ThreadPool = ApusRuntime.ThreadPool
public typealias MemoryRequirements = ApusRuntime.MemoryRequirements
public typealias SelfTestReport = ApusRuntime.SelfTestReport
public typealias Port = ApusRuntime.Port
public typealias BulkMemory = ApusFormat.BulkMemory
public typealias ByteSource = ApusFormat.ByteSource
public typealias Limits = ApusFormat.Limits
public typealias ApusError = ApusGraph.ApusError
public typealias ElementType = ApusGraph.ElementType
public typealias Name = ApusGraph.Name
public typealias Shape = ApusGraph.Shape
public typealias Dimension = ApusGraph.Dimension
