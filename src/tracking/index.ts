export { type Follower, type FollowOptions, follow, runFolders, sourceOf } from "./follow.js";
export { type Point, pointsOf, timeOf } from "./points.js";
export type { OpenSink, Sink, Source } from "./sink.js";
export { tensorboard } from "./tensorboard.js";
