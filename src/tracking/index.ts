export { exportMlruns, exportTables, exportTensorboard, exportTo, sourcesOf } from "./export.js";
export { type Follower, type FollowOptions, follow, runFolders, sourceOf } from "./follow.js";
export { type MlflowSinkOptions, mlflow } from "./mlflow.js";
export { type MlflowClient, type MlflowOptions, mlflowClient } from "./mlflow-client.js";
export { type Point, pointsOf, timeOf } from "./points.js";
export type { OpenSink, Sink, Source } from "./sink.js";
export { eventRows, toCsv, toJsonl } from "./tables.js";
export { tensorboard } from "./tensorboard.js";
