export { type AppOptions, dashboardApp } from "./app.js";
export { type Dashboard, type DashboardOptions, DEFAULT_PORT, startDashboard } from "./server.js";
export { type Workspace, workspace } from "./workspace.js";
