SELECT scored.*,
  1 / (1 + EXP(-(GREATEST(-700, LEAST(700, 0.625515e0 * points + -2.59554e0))))) AS risk
FROM (
  SELECT source.*,
    CASE WHEN ABS(CASE WHEN NOT (isnan(CAST("age" AS DOUBLE))) THEN CAST("age" AS DOUBLE) END) > 1.7976931348623157e+308 OR ("smoker" IS NULL OR isnan(CAST("smoker" AS DOUBLE))) THEN NULL ELSE
    CASE WHEN "age" >= 61 AND NOT (isnan(CAST("age" AS DOUBLE))) THEN 3 ELSE 0 END
    + CASE WHEN "bmi" >= 18.5e0 AND "bmi" < 25 THEN -2 ELSE 0 END
    + CASE WHEN ("bmi" IS NULL OR isnan(CAST("bmi" AS DOUBLE))) THEN 1 ELSE 0 END
    + CASE WHEN CAST("he said ""hi""" AS VARCHAR) IN ('it''s', 'a "b"', 'c\d') THEN 4 ELSE 0 END
    + CASE WHEN CAST("smoker" AS DOUBLE) >= 0.5e0 AND NOT (isnan(CAST("smoker" AS DOUBLE))) THEN 2 ELSE 0 END
    + CASE WHEN ("he said ""hi""" IS NULL OR TRIM(CAST("he said ""hi""" AS VARCHAR)) IN ('', 'NA', 'N/A', 'n/a', '#N/A', 'NaN', 'nan', 'null', 'NULL', '?', '<NA>')) THEN 5 ELSE 0 END
    + COALESCE(-1 * CASE WHEN NOT (isnan(CAST("age" AS DOUBLE))) THEN CAST("age" AS DOUBLE) END, 0)
    END
    AS points
  FROM "clinic"."people" AS source
) AS scored
