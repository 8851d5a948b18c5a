// The page: in Airflow's navigation it shows everything, on a DAG, a run or a task instance what belongs there.

import uplot from "uplot/dist/uPlot.min.css";

import type { Scope } from "./ask";
import { CollectorsView } from "./collectors";
import { CoverageView } from "./coverage";
import { CreditsView } from "./credits";
import { ExportsView } from "./exports";
import { LandingsView } from "./landings";
import style from "./page.css";

const { useId, useRef, useState } = React;

interface Place {
  dagId?: string;
  runId?: string;
  taskId?: string;
  mapIndex?: string;
}

const VIEWS = ["Exports", "Collectors", "Landings", "Credits", "Coverage"] as const;
type View = (typeof VIEWS)[number];

function Page({ dagId, runId, taskId, mapIndex }: Place): React.ReactElement {
  const asked = new URLSearchParams(window.location.search);
  const [view, setView] = useState<View>(VIEWS.find((it) => it.toLowerCase() === asked.get("view")) ?? "Exports");
  const id = useId();
  const scope: Scope = {};
  if (dagId) scope.dag_id = dagId;
  if (dagId && runId) scope.run_id = runId;
  if (dagId && runId && taskId) scope.task_id = taskId;
  if (dagId && runId && taskId && mapIndex) scope.map_index = mapIndex;
  return (
    <section className="twx-page" aria-label="Exports">
      <style>{uplot + style}</style>
      {!dagId && <h1>Exports</h1>}
      <Tabs id={id} view={view} onView={setView} />
      <div role="tabpanel" id={`${id}-panel`} aria-labelledby={`${id}-${view}`}>
        {view === "Exports" && <ExportsView scope={scope} sought={asked.get("export_id") ?? ""} />}
        {view === "Collectors" && <CollectorsView scope={scope} />}
        {view === "Landings" && <LandingsView scope={scope} sought={asked.get("manifest") ?? ""} />}
        {view === "Credits" && <CreditsView scope={scope} />}
        {view === "Coverage" && <CoverageView scope={scope} />}
      </div>
    </section>
  );
}

function Tabs({ id, view, onView }: { id: string; view: View; onView: (view: View) => void }): React.ReactElement {
  const list = useRef<HTMLDivElement>(null);
  const move = (event: React.KeyboardEvent): void => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = VIEWS[(VIEWS.indexOf(view) + step + VIEWS.length) % VIEWS.length] ?? view;
    onView(next);
    list.current?.querySelector<HTMLButtonElement>(`[data-view="${next}"]`)?.focus();
  };
  return (
    <div ref={list} className="twx-tabs" role="tablist" aria-label="Views" onKeyDown={move}>
      {VIEWS.map((name) => (
        <button
          key={name}
          type="button"
          role="tab"
          id={`${id}-${name}`}
          data-view={name}
          aria-selected={name === view}
          aria-controls={`${id}-panel`}
          tabIndex={name === view ? 0 : -1}
          onClick={() => onView(name)}
        >
          {name}
        </button>
      ))}
    </div>
  );
}

// Airflow looks for the component under the name that the plugin gives
Reflect.set(globalThis, "Exports", Page);
