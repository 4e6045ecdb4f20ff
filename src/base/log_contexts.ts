/**
 * Names of the log contexts, as configuration and info commands use them. Source: server-operations reference,
 * section 7.2.
 *
 * @module
 */

/** Every log context. The special name `any`, which means all of them, is not in the list. */
export const LOG_CONTEXTS: readonly string[] = [
  ..."misc alloc arenax hardware msg os secrets socket tls vault vmapx xmem aggr appeal as audit batch".split(
    " ",
  ),
  ..."batch-sub bin config clustering deprecation drv-mem drv_pmem drv_ssd exchange exp fabric flat geo"
    .split(" "),
  ..."hb health hlc index info info-command key-busy migrate mrt-audit mrt-monitor namespace nsup".split(" "),
  ..."particle partition proto proxy proxy-divert query record roster rw rw-client security service".split(
    " ",
  ),
  ..."service-list sindex skew smd storage truncate tsvc udf xdr xdr-client".split(" "),
];
