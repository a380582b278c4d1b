"use strict";
(() => {
  const page = document.documentElement;
  const report = JSON.parse(document.getElementById("report-data").textContent);

  // A column of the pixels in words, made on demand: an image may have millions of pixels.
  const lazy = (make) => [
    new Proxy([], {
      get: (target, at) =>
        typeof at === "string" && /^\d+$/.test(at) ? make(Number(at)) : Reflect.get(target, at),
    }),
  ];

  const inWords = (data) => {
    const [label, sure, quality] = [data.label[0], data.confidence[0], data.quality[0]];
    const [width, step] = [report.width, report.step];
    data.cluster_words = lazy((at) => report.names[label[at]]);
    data.confidence_words = lazy((at) => (sure[at] > 100 ? "none" : `${sure[at]} %`));
    if (data.novelty) {
      const unlike = data.novelty[0];
      data.novelty_words = lazy((at) => (unlike[at] > 100 ? "none" : `${unlike[at]} %`));
    }
    data.place_words = lazy((at) => `${step * Math.floor(at / width)}, ${step * (at % width)}`);
    data.quality_words = lazy((at) => {
      const found = report.quality.filter(([bit]) => quality[at] & bit).map(([, words]) => words);
      return found.length ? found.join("; ") : "good";
    });
    if (report.sky) {
      const [lng, lat] = [data.lng[0], data.lat[0]];
      data.sky_words = lazy((at) => {
        const here = [(report.sky[0] + lng[at] + 360) % 360, report.sky[1] + lat[at]];
        return `${here[0].toFixed(5)}°, ${here[1].toFixed(5)}°`;
      });
    }
  };

  // Square pixels at every width of the window.
  const fit = (doc) => {
    for (const name of ["map-label", "map-confidence", "map-alone", "map-novelty"]) {
      const figure = doc.get_model_by_name(name);
      if (!figure) continue;
      const box = document.getElementById(`fig-${name}`).clientWidth;
      if (box < 50) continue;
      const most = Math.min(box - 76, report.tallest / report.ratio);
      const wide = Math.max(120, Math.floor(most));
      if (figure.frame_width === wide) continue;
      figure.setv({ frame_width: wide, frame_height: Math.floor(wide * report.ratio) });
    }
  };

  const start = async () => {
    page.classList.add("live");
    const item = { docid: "report", roots: report.roots, root_ids: Object.keys(report.roots) };
    await Bokeh.embed.embed_items({ report: report.document }, [item]);
    const doc = Bokeh.documents[Bokeh.documents.length - 1];
    inWords(doc.get_model_by_name("pixels").data);
    fit(doc);
    new ResizeObserver(() => fit(doc)).observe(document.getElementById("main"));
    page.dataset.ready = "yes";
  };

  start().catch((error) => {
    page.classList.remove("live"); // the still figures are there without any script
    page.dataset.ready = "no";
    console.error(error);
  });
})();
